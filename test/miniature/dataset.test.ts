import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DataError } from "../../lib/errors.ts";
import { classifyResponse } from "../../lib/miniature/classify.ts";
import { miniatureExamples, miniatureItems, questionOf, writeMiniature } from "../../lib/miniature/dataset.ts";
import type { MiniatureOptions } from "../../lib/miniature/dataset.ts";
import { renderScene } from "../../lib/miniature/scene.ts";
import { loadSheet } from "../../lib/miniature/sheet.ts";
import type { Example } from "../../lib/types.ts";
import { readJsonl } from "../support/data.ts";

const options: MiniatureOptions = { split: "rl", seed: 6, count: 111, rows: 2, columns: 5 };
let dir = "";

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "papo-miniature-"));
});

afterAll(() => rm(dir, { recursive: true }));

async function collect(given: MiniatureOptions): Promise<Example[]> {
  const examples: Example[] = [];
  for await (const example of miniatureExamples(given)) examples.push(example);
  return examples;
}

function at<Item>(items: readonly Item[], index: number): Item {
  const item = items[index];
  if (item === undefined) throw new Error(`no item ${index}`);
  return item;
}

test("a written data set and the one in memory hold the same rows and pictures", async () => {
  const file = await writeMiniature(join(dir, "same"), options);
  expect(file).toBe(join(dir, "same", "rl.jsonl"));
  const rows = readJsonl(file);
  const examples = await collect(options);
  expect(rows).toHaveLength(111);
  expect(await readdir(join(dir, "same", "images"))).toHaveLength(111);
  for (const [index, example] of examples.entries()) {
    const { images, ...row } = at(rows, index);
    const { id, problem, answer, response, extra } = example;
    expect(row).toEqual({ id, problem, answer, response, ...extra });
    expect(images).toEqual([`images/${id}.png`]);
    expect(example.images).toEqual([{ bytes: await readFile(join(dir, "same", "images", `${id}.png`)) }]);
    expect(example.row).toBe(index + 1);
  }
});

test("a picture decodes to the scene, and the row says what is in it", async () => {
  const sheet = await loadSheet();
  const examples = await collect(options);
  for (const [index, item] of [...miniatureItems(options)].entries()) {
    const example = at(examples, index);
    const [image] = example.images;
    const { data, info } = await sharp((image as { bytes: Uint8Array }).bytes)
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([info.width, info.height, info.channels]).toEqual([140, 56, 3]);
    expect(Buffer.compare(data, renderScene(item.scene, sheet))).toBe(0);
    expect((example.extra.grid as string[]).join(" ")).toBe(item.scene.digits.join(" "));
    expect(example.problem).toBe(`<image>${item.question.text}`);
  }
});

test("the same options give the same files, another seed other ones", async () => {
  const small = { ...options, count: 7 };
  const text = async (name: string, given: MiniatureOptions) =>
    readFile(await writeMiniature(join(dir, name), given), "utf8");
  const first = await text("first", small);
  expect(await text("second", small)).toBe(first);
  expect(await text("other", { ...small, seed: 7 })).not.toBe(first);
});

test("a longer data set begins with the shorter one, and ids are unique", () => {
  const short = [...miniatureItems({ ...options, count: 5 })];
  const long = [...miniatureItems(options)];
  expect(long.slice(0, 5)).toEqual(short);
  expect(new Set(long.map((item) => item.id)).size).toBe(111);
  expect(short[4]?.id).toBe("mini-rl-6-000004");
});

test("only the kinds asked for come", async () => {
  const kinds = ["count", "cell"] as const;
  const seen = new Set((await collect({ ...options, kinds })).map((example) => example.extra.kind));
  expect([...seen].sort()).toEqual(["cell", "count"]);
});

test("an empty data set is an empty file", async () => {
  const file = await writeMiniature(join(dir, "empty"), { ...options, count: 0 });
  expect(await readFile(file, "utf8")).toBe("");
});

test("rows of the data set are classed from what they hold, after JSON too", async () => {
  for (const example of await collect(options)) {
    const extra = JSON.parse(JSON.stringify(example.extra)) as Record<string, unknown>;
    expect(classifyResponse(questionOf({ ...example, extra }), example.response ?? "")).toBe("correct");
  }
});

test("a foreign row is a DataError that names file, row and field", async () => {
  const example = at(await collect({ ...options, count: 1 }), 0);
  const question = { ...questionOf(example), seen: [10] };
  expect(() => questionOf({ ...example, extra: {} })).toThrow(DataError);
  expect(() => questionOf({ ...example, extra: { question } })).toThrow(/^miniature:1: not a row .*seen/s);
});

test("an unwritable folder is an error, not a hang", async () => {
  const file = await writeMiniature(join(dir, "blocked"), { ...options, count: 1 });
  await expect(writeMiniature(join(file, "inside"), { ...options, count: 1 })).rejects.toThrow(/ENOTDIR/);
});

test("a share of the rows tells the digits; which ones do, changes neither scenes nor questions", () => {
  const plain = [...miniatureItems({ ...options, count: 1000 })];
  const mixed = [...miniatureItems({ ...options, count: 1000, hintShare: 0.25 })];
  expect(plain.some(({ hinted }) => hinted)).toBe(false);
  expect(mixed.map((item) => ({ ...item, hinted: false }))).toEqual(plain);
  // 250 expected, standard deviation sqrt(1000 / 4 * 3 / 4) = 13.7; five of them either way.
  const numHinted = mixed.filter(({ hinted }) => hinted).length;
  expect(numHinted).toBeGreaterThan(181);
  expect(numHinted).toBeLessThan(319);
  expect([...miniatureItems({ ...options, hintShare: 1 })].every(({ hinted }) => hinted)).toBe(true);
});
