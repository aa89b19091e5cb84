import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findPython, findReference } from "../../scripts/bench/peer.mjs";
import { shapes } from "../../scripts/bench/shapes.mjs";
import { markdownTable, median, ratios, shapeRows } from "../../scripts/bench/table.mjs";
import { packageRoot } from "../../lib/native/load.ts";
import { runNode } from "../support/processes.ts";
import { tempFolder } from "../support/temp.ts";

const pairs = {
  papo: [
    { total_s: 2, old_s: 0, peak_rss_gib: 0.5 },
    { total_s: 4, old_s: 0, peak_rss_gib: 0.5 },
    { total_s: 1, old_s: 0, peak_rss_gib: 1 },
  ],
  peer: [
    { total_s: 20, old_s: 3, peak_rss_gib: 2 },
    { total_s: 20, old_s: 3, peak_rss_gib: 2 },
    { total_s: 12, old_s: 3, peak_rss_gib: 2 },
  ],
};

test("ratios are those of the pairs, not of the medians, with their spread", () => {
  // 20 / 2, 20 / 4, 12 / 1
  expect(ratios(pairs, "total_s")).toEqual({ median: 10, min: 5, max: 12 });
  expect(ratios(pairs, "peak_rss_gib")).toEqual({ median: 4, min: 2, max: 4 });
  expect(median([4, 1, 3, 2])).toBe(2.5);
});

test("a phase that papo does not run, or a peer that did not, has no ratio", () => {
  expect(ratios(pairs, "old_s")).toBeUndefined();
  expect(ratios({ ...pairs, peer: [] }, "total_s")).toBeUndefined();
  expect(shapeRows({ papo: pairs.papo, peer: [] })).toContainEqual(["total, s", "2.00", "", ""]);
  expect(shapeRows(pairs)).toContainEqual(["total, s", "2.00", "20.0", "10.00 (5.00 to 12.00)"]);
});

test("a table is Markdown with columns of equal width", () => {
  expect(
    markdownTable(
      ["a", "longer"],
      [
        ["x", "1"],
        ["four", ""],
      ],
    ),
  ).toBe("| a    | longer |\n| ---- | ------ |\n| x    | 1      |\n| four |        |");
});

test("every shape has a name of its own, and s and m are the first", () => {
  expect(new Set(shapes.map(({ name }) => name)).size).toBe(shapes.length);
  expect(shapes.slice(0, 2).map(({ name }) => name)).toEqual(["s", "m"]);
});

test("scripts of the peer that are missing are named with how to name their folder", () => {
  const folder = tempFolder();
  expect(() => findReference(folder)).toThrow(
    `make_workload.py and peer_step.py: not in ${folder}; name the folder that holds make_workload.py and peer_step.py with --reference DIR or PAPO_REFERENCE`,
  );
  writeFileSync(join(folder, "make_workload.py"), "");
  expect(() => findReference(folder)).toThrow(`peer_step.py: not in ${folder}`);
  writeFileSync(join(folder, "peer_step.py"), "");
  expect(findReference(folder)).toBe(folder);
});

test("a Python without torch is told what to install", () => {
  expect(() => findPython(join(tempFolder(), "python"), 1)).toThrow(/--python FILE or PAPO_PYTHON.*pip install torch/u);
});

test("wrong options of npm run bench end with 1 and one line", () => {
  const bench = (...args: string[]) => runNode([join(packageRoot, "scripts", "bench.mjs"), ...args]);
  expect(bench("--shapes", "s,x")).toMatchObject({
    status: 1,
    stderr: `papo bench: --shapes: expected some of ${shapes.map(({ name }) => name).join()}, got x\n`,
  });
  expect(bench("--threads", "0").stderr).toBe("papo bench: --threads: expected an integer >= 1, got 0\n");
});
