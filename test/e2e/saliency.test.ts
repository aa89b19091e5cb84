// `papo saliency` killed and stopped, and runs whose masks are those of its file.
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeMiniature } from "../../lib/miniature/dataset.ts";
import { packageRoot } from "../../lib/native/load.ts";
import { runPapo } from "../support/processes.ts";
import { freshPath, makeWorld, removeWorld, startPapo, steadyMetrics, trainWords } from "./world.ts";
import type { World } from "./world.ts";

const dinov2 = join(packageRoot, "test", "fixtures", "dinov2", "mlp");
const bySaliency = ["algorithm.klPrcp.enabled=true", "aug.strategy=saliency"];
let world: World;
/** 150 rows, each with a picture of its own. */
let many = "";
beforeAll(async () => {
  world = await makeWorld();
  many = await writeMiniature(join(world.dir, "many"), { split: "rl", seed: 2, count: 150, rows: 2, columns: 2 });
});
afterAll(() => {
  removeWorld(world);
});

const saliency = (out: string, ...more: string[]) => [
  ...["saliency", "--data", many, "--policy", world.model, "--out", out, ...more],
];

/** A run's messages, without the progress that only a slow machine shows. */
const news = (stderr: string) =>
  stderr.split("\n").filter((line) => line !== "" && !/^[a-z -]+ +(\[|\d+%)/u.test(line));

test("killed at any point it goes on where it was: the file is that of a run that was not killed, bit for bit", async () => {
  const whole = freshPath(world, "whole.saliency");
  const unbroken = runPapo(saliency(whole));
  expect(unbroken.stdout).toBe(`${whole}: 150 pictures, 150 of them new; 0 pictures or rows unreadable\n`);
  expect(news(unbroken.stderr)).toEqual([]);
  const out = freshPath(world, "killed.saliency");
  let size = 0;
  let numKilled = 0;
  for (const share of [0.01, 0.15, 0.3]) {
    const papo = startPapo(saliency(out));
    await papo.until(() => existsSync(out) && statSync(out).size > share * statSync(whole).size);
    papo.child.kill("SIGKILL");
    numKilled += (await papo.ended) === "SIGKILL" ? 1 : 0;
    expect(statSync(out).size).toBeGreaterThanOrEqual(size); // nothing that was whole is made again
    size = statSync(out).size;
  }
  expect(numKilled).toBe(3);
  // As a power cut may leave it: half a record.
  const bytes = readFileSync(out);
  writeFileSync(out, bytes.subarray(0, bytes.length - 7));
  const end = runPapo(saliency(out));
  expect(end.status).toBe(0);
  expect(news(end.stderr)).toEqual([
    expect.stringMatching(/^\S+killed\.saliency: \d+ bytes are no whole records and are made again$/u),
  ]);
  expect(readFileSync(out).equals(readFileSync(whole))).toBe(true);
  expect(runPapo(saliency(out)).stdout).toContain("150 pictures, 0 of them new");
  expect(readdirSync(join(out, "..")).filter((name) => name !== "killed.saliency")).toEqual([]); // no lock, no rest
});

test("Ctrl-C stops it in one line and keeps what was ranked", async () => {
  const out = freshPath(world, "stopped.saliency");
  const papo = startPapo(saliency(out, "--threads", "1"));
  await papo.until(() => existsSync(out) && statSync(out).size > 2000);
  papo.child.kill("SIGINT");
  expect(await papo.ended).toBe(1);
  expect(news(papo.stderr())).toEqual(["papo: stopping; press Ctrl-C again to exit at once", "papo: interrupted"]);
  const end = runPapo(saliency(out));
  expect(news(end.stderr)).toEqual([]);
  expect(Number(/(\d+) of them new/u.exec(end.stdout)?.[1])).toBeLessThan(150);
});

test("two at a time, another model's file, a folder that is not there and no model are refused in one line", async () => {
  const out = freshPath(world, "busy.saliency");
  const first = startPapo(saliency(out));
  await first.until(() => existsSync(out));
  const second = runPapo(saliency(out));
  if (first.child.exitCode === null) expect(second.stderr).toMatch(/^papo: --out: .*is held by process \d+/u);
  await first.ended;
  const other = runPapo(["saliency", "--data", many, "--model", dinov2, "--layers", "0,2", "--out", out]);
  expect(other.status).toBe(1);
  expect(other.stderr).toMatch(
    /^papo: .*busy\.saliency: stale: it is of .*model, layers 3 \(\w{16}\), not of .*mlp, /u,
  );
  const failures: [string[], string][] = [
    [saliency(join(world.dir, "none", "a.saliency")), `--out: there is no folder ${join(world.dir, "none")}`],
    [saliency(many), `${many}: expected a file of papo saliency, got another`],
    [saliency(out, "--model", dinov2), "--model: expected whose saliency it is: either --model DINOV2 or --policy DIR"],
    [["saliency", "--data", many], "--model: expected whose saliency it is: either --model DINOV2 or --policy DIR"],
    [
      saliency(out, "--layers", "0"),
      `--layers: expected layers of ${world.model} (3, those with full attention), got 0`,
    ],
  ];
  for (const [words, message] of failures)
    expect(runPapo(words)).toMatchObject({ status: 1, stdout: "", stderr: `papo: ${message}\n` });
});

test("the built command line shows the mask of a run's first picture", () => {
  const picture = join(many, "..", "images", readdirSync(join(many, "..", "images"))[0] ?? "");
  const out = freshPath(world, "masked.png");
  const words = [
    "mask",
    picture,
    "--strategy",
    "saliency",
    "--policy",
    world.model,
    "--min-pixels",
    "784",
    "--out",
    out,
  ];
  expect(runPapo(words)).toMatchObject({ status: 0, stderr: "", stdout: `${out}: 56 x 56 px\n` });
});

test("a run makes its file itself, beside the data set, and another one reads it: the same training", () => {
  const files = () => readdirSync(join(world.data, "..")).filter((name) => name.endsWith(".saliency"));
  const run = (...more: string[]) => {
    const out = freshPath(world, "run");
    const finished = runPapo(trainWords(world, "miniature-grpo", out, ...bySaliency, "trainer.maxSteps=2", ...more));
    expect(finished.status).toBe(0);
    return { said: news(finished.stderr), metrics: steadyMetrics(out) };
  };
  const first = run();
  expect(files()).toHaveLength(1);
  expect(first.said).toEqual([
    expect.stringMatching(/^saliency: 8 pictures ranked into \S+rl\.jsonl\.[0-9a-f]{16}\.saliency$/u),
  ]);
  const again = run();
  expect(again).toEqual({ said: [], metrics: first.metrics });
  // The command line's file is the run's.
  const made = freshPath(world, "made.saliency");
  const pixels = ["--min-pixels", "784", "--max-pixels", "1003520"]; // the recipe's
  const words = ["saliency", "--data", world.data, "--policy", world.model, "--out", made, ...pixels];
  expect(runPapo(words).status).toBe(0);
  expect(run(`aug.saliency.cache=${made}`)).toEqual(again);
  // DINOv2 masks other patches.
  const byDinov2 = run(`aug.saliency.model=${dinov2}`, "aug.saliency.layers=[1,2]");
  expect(files()).toHaveLength(2);
  const [loss, other] = [first, byDinov2].map(({ metrics }) => metrics[0]?.["actor/kl_prcp_loss"]);
  expect(loss).toEqual(expect.any(Number));
  expect(other).not.toBe(loss);
});
