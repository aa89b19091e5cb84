// What is in a study's folder and must not become a number of a table.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { paperStudyOf } from "../../lib/reproduce/paper-study.ts";
import { type ReproduceOptions, reproduce } from "../../lib/reproduce/reproduce.ts";
import { temporaryFolder } from "../support/processes.ts";
import { beginMadeUp, planned, storeMadeUp } from "./made-up.ts";
import { tinyStudy } from "./tiny-study.ts";

async function render(out: string, names: readonly string[], changes: Partial<ReproduceOptions> = {}): Promise<string> {
  let output = "";
  const print = (text: string) => {
    output += text;
  };
  await reproduce({ study: tinyStudy(), names, out, seeds: 1, mode: "render", print, ...changes });
  return output;
}

/** All runs of table 1 with results. */
async function withTable1(seeds = 1) {
  const out = temporaryFolder();
  const runs = await planned(out, "table1", { seeds });
  for (const [index, run] of runs.entries()) await storeMadeUp(run, [0.5 + index / 100, 0.25]);
  return { out, runs };
}

function edit(file: string, change: (value: Record<string, unknown>) => object): void {
  writeFileSync(file, JSON.stringify(change(JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>)));
}

/** Edits the list of benchmarks of evaluation.json. */
const editBenchmarks = (change: (all: object[]) => object[]) => (dir: string) => {
  edit(join(dir, "evaluation.json"), ({ benchmarks, ...rest }) => ({ ...rest, benchmarks: change(benchmarks as object[]) })); // prettier-ignore
};

test("results are rendered from their files alone, in every form", async () => {
  const { out } = await withTable1();
  const shown = await render(out, ["table1", "figure4"]);
  expect(shown).toMatch(/\| mini \| GRPO \| ours \| 50\.00 \|/u);
  // Δ over both columns: (0.51 / 0.5 - 1 + 0) / 2 = 1 %
  expect(shown).toMatch(
    /\| mini \| PAPO\\_G \| ours \| 51\.00 \| 51\.00 \| 2\.00 \| 25\.00 \| 25\.00 \| 0\.00 \| 38\.00 \| 1\.00 \|/u,
  );
  for (const name of ["table1.md", "table1.csv", "table1.tex", "figure4.svg", "figure4.png"])
    expect(readFileSync(join(out, "tables", name)).length, name).toBeGreaterThan(100);
});

test("Table 9 is made of what papo attention found, where it has been put into result folders", async () => {
  const { out, runs } = await withTable1();
  const found = { benchmark: "Mini vision", mean: 0.75, median: 0.5, numSamples: 9, complete: true };
  const none = { ...found, benchmark: "Mini general", mean: null, median: null, numSamples: 0 };
  for (const run of runs.slice(0, 2))
    writeFileSync(join(run.paths.result, "attention.json"), JSON.stringify({ settingsFingerprint: "f", benchmarks: [found, none] })); // prettier-ignore
  expect(await render(out, ["table9"])).toMatch(/\| mini \| random \| ours \| 0\.7500 \| 0\.5000 \|/u);
});

test("error classes that people gave are read beside the results", async () => {
  const line = { id: "item 1", method: "papo_g-gamma0.01-semantic", size: "3B", benchmark: "Geo3k" };
  const out = temporaryFolder();
  const lines = [
    { ...line, class: "perception" },
    { ...line, id: "item 2", class: "reasoning" },
  ];
  writeFileSync(join(out, "annotations.jsonl"), lines.map((one) => `${JSON.stringify(one)}\n`).join(""));
  expect(await render(out, ["figure8"], { study: paperStudyOf({}) })).toContain("| Geo3k | ours | 1 | 1 | 50.0 |");
});

test("a run under way shows as incomplete in every table, and one without results as not run", async () => {
  const { out, runs } = await withTable1();
  const [, papoG, dapo] = runs;
  if (!papoG || !dapo) throw new Error("expected runs");
  renameSync(papoG.paths.result, `${papoG.paths.dir}-kept`);
  beginMadeUp(papoG);
  renameSync(dapo.paths.result, `${dapo.paths.dir}-kept`);
  const shown = await render(out, ["table1", "figure1", "figure4"]);
  expect(shown).toMatch(/\| mini \| PAPO\\_G \| ours \| incomplete \| incomplete \|/u);
  expect(shown).toMatch(/\| PAPO\\_G \| ours \| incomplete \|/u);
  expect(shown).toMatch(/\| GRPO, miniature \| PAPO\\_G \| ours \| incomplete \|/u);
  expect(shown).toMatch(/\| mini \| DAPO \| not run \| – \|/u);
});

test("a result of other training settings is an error that names both and what differs; the plan goes on", async () => {
  const { out } = await withTable1();
  const study = tinyStudy({ training: { count: 24, hintShare: 0.25 } });
  const text = /^runs\/grpo-mini\/seed-1 was trained with other settings \([\da-f]{16}\) than those asked for \([\da-f]{16}\): data\.train\.hintShare was 0\.5, is 0\.25$/mu; // prettier-ignore
  await expect(render(out, ["table1"], { study })).rejects.toThrow(text);
  await expect(render(out, ["table1"], { study, mode: "run" })).rejects.toThrow(text);
  const plan = await render(out, ["table1"], { study, mode: "plan" });
  expect(plan).toContain("data.train.hintShare was 0.5, is 0.25");
  expect(plan).toContain("4 runs: 0 done, 0 under way, 4 to do");
});

test("so is one of other evaluation settings, and a run under way of other training settings", async () => {
  const { out, runs } = await withTable1();
  const evaluation = { benchmarks: ["mini-general", "mini-vision"], rows: 9, seed: 2, n: 2 };
  await expect(render(out, ["table1"], { study: tinyStudy({ evaluation }) })).rejects.toThrow(/was evaluated with other settings .*: benchmarks\.mini-general\.miniature\.seed was 1, is 2; /u); // prettier-ignore
  const [run] = runs;
  if (!run) throw new Error("expected a run");
  renameSync(run.paths.result, `${run.paths.dir}-kept`);
  beginMadeUp({ ...run, settings: { ...run.settings, compat: "reference" } });
  await expect(render(out, ["table1"], { mode: "run" })).rejects.toThrow(/^runs\/grpo-mini\/seed-1 was trained with other settings .*: compat was "reference", is "none"$/u); // prettier-ignore
});

test("runs that were asked other rows are not put side by side", async () => {
  const { out, runs } = await withTable1();
  const [, run] = runs;
  if (!run) throw new Error("expected a run");
  renameSync(run.paths.result, `${run.paths.dir}-kept`);
  await storeMadeUp(run, [0.5, 0.5], "others");
  await expect(render(out, ["table1"])).rejects.toThrow("runs/grpo-mini/seed-1 and runs/papo_g-mini/seed-1 were asked other rows of mini-general (rows, others)"); // prettier-ignore
});

test("a result that stands in for another seed is refused", async () => {
  const { out, runs } = await withTable1(2);
  const [first, second] = runs.filter(({ run }) => run.method === "grpo");
  if (!first || !second) throw new Error("expected two seeds");
  renameSync(second.paths.result, `${second.paths.dir}-kept`);
  mkdirSync(second.paths.result);
  for (const name of ["run.json", "evaluation.json", "metrics.jsonl"])
    writeFileSync(join(second.paths.result, name), readFileSync(join(first.paths.result, name)));
  await expect(render(out, ["table1"], { seeds: 2 })).rejects.toThrow(
    /seed-2\/result holds the result of grpo mini, seed 1$/u,
  );
});

const damages: readonly [name: string, damage: (dir: string) => void, text: RegExp][] = [
  ["a cut run.json", (dir) => { writeFileSync(join(dir, "run.json"), '{"method": "gr'); }, /run\.json: expected JSON: /u], // prettier-ignore
  ["a seed that is none", (dir) => { edit(join(dir, "run.json"), (run) => ({ ...run, seed: -1 })); }, /run\.json: seed: /u], // prettier-ignore
  ["no metrics", (dir) => { renameSync(join(dir, "metrics.jsonl"), join(dir, "gone")); }, /metrics\.jsonl: cannot be read: ENOENT$/u], // prettier-ignore
  ["a cut metrics.jsonl", (dir) => { writeFileSync(join(dir, "metrics.jsonl"), '{"step":1}\n{"step":2'); }, /metrics\.jsonl: expected steps up to 3, as run\.json says, got 1$/u], // prettier-ignore
  ["settings edited by hand", (dir) => { edit(join(dir, "run.json"), (run) => ({ ...run, settings: {} })); }, /run\.json: expected the settings of [\da-f]{16}, got those of [\da-f]{16}$/u], // prettier-ignore
  ["attention that is none", (dir) => { writeFileSync(join(dir, "attention.json"), "{}"); }, /attention\.json: settingsFingerprint: /u], // prettier-ignore
  ["an accuracy above 1", editBenchmarks((all) => all.map((one) => ({ ...one, avgAtN: 50 }))), /evaluation\.json: benchmarks\.0\.avgAtN: /u], // prettier-ignore
  ["a missing benchmark", editBenchmarks((all) => all.slice(1)), /evaluation\.json: expected benchmark mini-general$/u],
  ["a benchmark twice", editBenchmarks((all) => [...all, ...all]), /evaluation\.json has benchmark mini-general twice$/u], // prettier-ignore
  ["rows that are missing", editBenchmarks((all) => all.map((one) => ({ ...one, rows: 8 }))), /expected 9 evaluated rows, got 8$/u], // prettier-ignore
];

test.each(damages)("%s is a named error", async (_name, damage, text) => {
  const { out, runs } = await withTable1();
  damage(runs[0]?.paths.result ?? "");
  await expect(render(out, ["table1"])).rejects.toThrow(text);
});

test("a method or a seed that no chosen table has is refused", async () => {
  await expect(render(temporaryFolder(), ["table1"], { only: ["papo"], mode: "run" })).rejects.toThrow("--only: expected one of grpo, papo_g, dapo, papo_d; got papo"); // prettier-ignore
  await expect(render(temporaryFolder(), ["table1"], { onlySeeds: [1, 2], mode: "run" })).rejects.toThrow("--only-seed: expected one of 1; got 2"); // prettier-ignore
});
