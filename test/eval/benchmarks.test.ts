import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { benchmarkNames, resolveBenchmarks } from "../../lib/eval/benchmarks/registry.ts";
import { openBenchmark } from "../../lib/eval/benchmarks/open-benchmark.ts";
import type { Benchmark } from "../../lib/eval/benchmarks/benchmark.ts";
import { publishedColumns } from "../../lib/eval/benchmarks/published.ts";
import { Processor } from "../../lib/processor/processor.ts";
import { writeTinyModel } from "../../lib/miniature/model.ts";
import { jsonLines, tempFolder, tinyPng } from "../data/temp.ts";
import { dataFolder } from "../support/data.ts";

const instruction =
  "You first think through the reasoning process as an internal monologue, enclosed within <think> </think> tags. " +
  "Then, provide your final answer enclosed within \\boxed{}.";

function fileWith(yaml: string, rows: readonly unknown[] = []): string {
  const folder = tempFolder({ "mine.yaml": yaml, "rows.jsonl": jsonLines(rows), "a.png": tinyPng });
  return join(folder, "mine.yaml");
}

async function readAll(
  benchmark: Benchmark,
  ...[options]: Parameters<typeof openBenchmark> extends [unknown, ...infer R] ? R : never
) {
  // prettier-ignore
  const opened = await openBenchmark(benchmark, options);
  const { length } = opened.dataset;
  return { ...opened, rows: await Promise.all(Array.from({ length }, (_, index) => opened.dataset.read(index))) };
}

test("the nine columns have the paper's groups and 11,206 rows together", () => {
  const all = resolveBenchmarks("all");
  expect(all.map(({ name }) => name)).toEqual(["Geo3k", "MathVista", "We-Math", "MMK12", "MathVerse", "LogicVista", "Counting", "MMMU-Pro", "MathVerse_V"]); // prettier-ignore
  expect(all.map(({ group }) => group)).toEqual([...Array<string>(5).fill("general"), ...Array<string>(4).fill("vision-dependent")]); // prettier-ignore
  // 89,648 generations at 8 samples
  expect(all.reduce((sum, { rows = 0 }) => sum + rows * 8, 0)).toBe(89_648);
  expect(all.find(({ id }) => id === "we-math")?.data).toBe("PAPO-Galaxy/PAPO_eval@We_Math");
  expect(all.find(({ id }) => id === "mmk12")).toMatchObject({ data: "PAPOGalaxy/PAPO_MMK12_test", formatPrompt: "math_perception" }); // prettier-ignore
  expect(benchmarkNames).toHaveLength(11);
});

test("a prepared PAPO-Eval is read under either of its names, by the root or its data folder", async () => {
  const row = { messages: [{ role: "user", content: `<image>What?\n\n${instruction}` }, { role: "assistant", content: "3" }], images: ["./data/images/w/a.png"] }; // prettier-ignore
  const root = tempFolder({
    "data/papo/We-Math_We-Math.json": JSON.stringify([row, row]),
    "data/images/w/a.png": tinyPng,
  });
  for (const benchmarkData of [root, join(root, "data")]) {
    const [benchmark] = resolveBenchmarks("we-math", { benchmarkData });
    if (!benchmark) throw new Error("no benchmark");
    const { rows, rowsSeen } = await readAll(benchmark, { acceptRowCounts: true });
    expect(rowsSeen).toBe(2);
    // ids were dropped when it was prepared
    expect(rows.map(({ id }) => id)).toEqual(["we-math/We-Math_We-Math.json:1", "we-math/We-Math_We-Math.json:2"]);
    expect(rows[0]?.problem).toBe(`<image>What?\n\n${instruction}`);
    await expect(openBenchmark(benchmark)).rejects.toThrow(/we-math: expected 1740 rows, got 2; --accept-row-counts/u);
  }
  expect(() => resolveBenchmarks("geo3k", { benchmarkData: root })).toThrow(/^--benchmark-data: geo3k: expected .*hiyouga_geometry3k\.json, got no such file$/u); // prettier-ignore
  expect(() => resolveBenchmarks("geo3k", { benchmarkData: join(root, "none") })).toThrow(/^--benchmark-data: expected a folder with data\/images/u); // prettier-ignore
});

test("with unpacked pictures alone the rows are the hub's", () => {
  const root = tempFolder({ "data/images/w/a.png": tinyPng });
  const [geo, mmk] = resolveBenchmarks("geo3k,mmk12", { benchmarkData: root });
  expect(geo).toMatchObject({ data: "PAPO-Galaxy/PAPO_eval@hiyouga_geometry3k", imageDir: root, layout: "sharegpt" });
  expect(mmk).toMatchObject({ data: "PAPOGalaxy/PAPO_MMK12_test", layout: "columns" });
  expect(mmk).not.toHaveProperty("imageDir");
});

test.for([
  ["geo3", /^--benchmarks: expected all, .*; got "geo3" \(did you mean geo3k\?\)$/u],
  ["all,counting", /^--benchmarks: expected each benchmark once, got counting twice$/u],
  ["geo3k,geo3k", /^--benchmarks: expected each benchmark once, got geo3k twice$/u],
  ["", /got ""/u],
  ["none.yaml", /none\.yaml: cannot be read/u],
] as const)("--benchmarks %j is refused", ([words, text]) => {
  expect(() => resolveBenchmarks(words)).toThrow(text);
});

test.for([
  ["benchmarks: {}", /benchmarks: expected one benchmark or more/u],
  ["benchmark: {}", /mine\.yaml:1:1: benchmark: unknown key \(did you mean benchmarks\?\)/u],
  ["benchmarks:\n  mine: {dta: rows.jsonl}", /mine\.yaml:2:10: benchmarks\.mine\.dta: unknown key \(did you mean data\?\)/u], // prettier-ignore
  ["benchmarks:\n  mine: {name: x}", /:2:3: benchmarks\.mine: expected data or miniature, got neither/u],
  ["benchmarks:\n  mine: {data: a.jsonl, miniature: {}}", /expected data or miniature, got both/u],
  ["benchmarks:\n  a/b: {data: a.jsonl}", /expected letters, digits, _ and -, .*got "a\/b"/u],
  ["benchmarks:\n  mine: {data: a.jsonl, group: visual}", /group: expected one of general, vision-dependent, got "visual"/u], // prettier-ignore
  ["benchmarks:\n  mine: {data: a.jsonl, rows: 0}", /rows: expected an integer >= 1, got 0/u],
  ["benchmarks:\n  mine: {data: a.jsonl}\n  mine: {data: b.jsonl}", /mine\.yaml:3/u],
] as const)("a benchmark file %j is refused with its line", ([yaml, text]) => {
  expect(() => resolveBenchmarks(fileWith(yaml))).toThrow(text);
});

test("a user's benchmark is filtered, asked with its format prompt, and limited", async () => {
  const rows = ["yes", "no", "yes", "yes"].map((kind, at) => ({ id: `r${at}`, problem: `<image>Q${at}?`, answer: at, images: ["a.png"], kind })); // prettier-ignore
  const yaml =
    "benchmarks:\n  mine:\n    data: rows.jsonl\n    filter: {kind: [yes, maybe]}\n    rows: 3\n    formatPrompt: math_perception\n";
  const file = fileWith(yaml, rows);
  const [mine] = resolveBenchmarks(file);
  if (!mine) throw new Error("no benchmark");
  expect(mine).toMatchObject({ id: "mine", name: "mine", group: "general", grader: "mathruler" });
  expect(resolveBenchmarks(`mini-vision,${file}`).map(({ id }) => id)).toEqual(["mini-vision", "mine"]);
  const opened = await readAll(mine, { limit: 2 });
  expect(opened.rowsSeen).toBe(3);
  expect(opened.rows.map(({ id }) => id)).toEqual(["mine/r0", "mine/r2"]);
  expect(opened.rows[0]?.problem).toBe(`<image>Q0?\n\n${instruction}`);
});

test("the prompt's tokens are those of training with the same format prompt", async () => {
  const dir = join(tempFolder(), "model");
  await writeTinyModel(dir, 1);
  const settings = { chatTemplate: null, systemPrompt: null, maxPromptLength: 4096, minPixels: 0, maxPixels: 0, exifRotate: false }; // prettier-ignore
  const training = await Processor.load(dir, { ...settings, formatPrompt: "math_perception" });
  const plain = await Processor.load(dir, { ...settings, formatPrompt: null });
  const problem = "  <|im_end|> is text; 2 < 3?\n";
  const yaml = "benchmarks:\n  mine: {data: rows.jsonl, formatPrompt: math_perception}\n";
  const [mine] = resolveBenchmarks(fileWith(yaml, [{ id: "a", problem, answer: "1" }]));
  if (!mine) throw new Error("no benchmark");
  const { rows } = await readAll(mine);
  const [row] = rows;
  if (!row) throw new Error("no row");
  const asTrained = await training.prepare({ ...row, problem });
  expect([...(await plain.prepare(row)).ids]).toEqual([...asTrained.ids]);
});

test("equal ids and wrong answers are errors and counted skips", async () => {
  const row = (id: string, answer: unknown) => ({ id, problem: "Q?", answer });
  const yaml = "benchmarks:\n  mine: {data: rows.jsonl}\n";
  const [twice] = resolveBenchmarks(fileWith(yaml, [row("a", 1), row("b", 2), row("a", 3)]));
  const [empty] = resolveBenchmarks(fileWith(yaml, [row("a", null), row("b", 2), row("c", "")]));
  if (!twice || !empty) throw new Error("no benchmark");
  await expect(openBenchmark(twice)).rejects.toThrow(
    /rows\.jsonl:3: id: expected a unique one, got that of row 1: a$/u,
  );
  await expect(openBenchmark(empty)).rejects.toThrow(/2 of 3 rows are unusable/u);
  const opened = await openBenchmark(empty, { maxSkippedShare: 1 });
  expect(opened).toMatchObject({ rowsSeen: 3, numSkipped: 2 });
  expect(opened.skipped[0]).toMatch(/rows\.jsonl:1: answer: expected text, got none/u);
});

test("the miniature world's groups ask the same questions with and without the hint", async () => {
  const [general, vision] = resolveBenchmarks("mini-general,mini-vision");
  if (!general || !vision) throw new Error("no benchmark");
  const [hinted, plain] = [await readAll(general), await readAll(vision)];
  expect(hinted.rows).toHaveLength(200);
  for (const [at, row] of plain.rows.entries()) {
    const other = hinted.rows[at];
    expect(other?.problem).toMatch(/ Digits: [0-9;]+\.$/u);
    expect(other?.problem.startsWith(row.problem)).toBe(true);
    expect(other?.answer).toBe(row.answer);
    expect(other?.images).toEqual(row.images);
  }
});

test("samples of the published sets open as users' benchmarks", async () => {
  const folder = dataFolder("qa");
  if (folder === undefined) return;
  const set = (name: string, more = "") => `  ${name}: {data: ${join(folder, name, "data.jsonl")}${more}}\n`;
  const yaml = `benchmarks:\n${set("mathverse", ", filter: {vision_dependent: true, question_type: multi_choice}")}${set("we_math")}${set("mmk12")}`;
  for (const benchmark of resolveBenchmarks(fileWith(yaml))) {
    const { rows } = await readAll(benchmark);
    const all = readFileSync(join(folder, benchmark.id, "data.jsonl"), "utf8").trim().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>); // prettier-ignore
    const wanted = all.filter((row) => benchmark.id !== "mathverse" || (row["vision_dependent"] === true && row["question_type"] === "multi_choice")); // prettier-ignore
    expect(rows.map(({ id }) => id)).toEqual(wanted.map((row) => `${benchmark.id}/${String(row["id"])}`));
    expect(wanted.length).toBeGreaterThan(0);
  }
  expect(publishedColumns).toHaveLength(9);
});
