import { writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test, vi } from "vitest";
import { openDataset } from "../../lib/data/dataset.ts";
import type { Dataset } from "../../lib/data/dataset.ts";
import { ExampleStream } from "../../lib/data/example-stream.ts";
import { IndexSampler } from "../../lib/data/sampler.ts";
import { DataError } from "../../lib/errors.ts";
import { evaluate } from "../../lib/eval/evaluate.ts";
import type { EvaluateParts } from "../../lib/eval/evaluate.ts";
import { loadNative } from "../../lib/native/load.ts";
import { Processor, releasePrompt } from "../../lib/processor/processor.ts";
import type { Prompt } from "../../lib/types.ts";
import { writeTinyFiles } from "../support/processor-files.ts";
import { jsonLines, tempFolder, tinyPng } from "./temp.ts";

const settings = { formatPrompt: null, chatTemplate: null, systemPrompt: null, maxPromptLength: 999, minPixels: 0, maxPixels: 0, exifRotate: false }; // prettier-ignore

/** Rows 0, 1, ... with the pictures of a processor that remembers every prompt it made. */
async function world(isWhole: readonly boolean[]) {
  const png = await sharp({ create: { width: 56, height: 56, channels: 3, background: "teal" } })
    .png()
    .toBuffer();
  const folder = tempFolder({ "whole.png": png, "broken.png": tinyPng.subarray(0, 40) });
  const rows = isWhole.map((whole, row) => ({ id: String(row), problem: "<image>", answer: "1", images: [whole ? "whole.png" : "broken.png"] })); // prettier-ignore
  writeFileSync(join(folder, "set.jsonl"), jsonLines(rows));
  writeTinyFiles(folder);
  const processor = await Processor.load(folder, settings);
  const made: Prompt[] = [];
  const prepare = processor.prepare.bind(processor);
  vi.spyOn(processor, "prepare").mockImplementation(async (...args) => {
    const prompt = await prepare(...args);
    made.push(prompt);
    return prompt;
  });
  const dataset = await openDataset(join(folder, "set.jsonl"), { maxSkippedShare: 1 });
  return { dataset, processor, made };
}

const stream = (dataset: Dataset, processor: Processor) =>
  new ExampleStream(dataset, processor, { seed: 3, shuffle: true, say: () => undefined });

function expectReleased(prompts: readonly Prompt[]): void {
  expect(prompts.length).toBeGreaterThan(0);
  for (const { images } of prompts)
    for (const image of images) expect(() => loadNative().imageInfo(image)).toThrow("disposed");
}

test("a data set whose pictures are all broken ends in an error, not in an endless search", async () => {
  const { dataset, processor } = await world([false, false, false, false, false]);
  const next = stream(dataset, processor).next(2);
  await expect(next).rejects.toThrow(DataError);
  await expect(next).rejects.toThrow(/set\.jsonl: none of the last 6 rows is usable; first: .*set\.jsonl:\d: /);
});

test("rows are read in the data set's order and given in the sampler's, with replacements for broken ones", async () => {
  const isWhole = Array.from({ length: 37 }, (_, row) => row % 5 !== 0);
  const { dataset, processor } = await world(isWhole);
  const reads: number[] = [];
  const read = dataset.read.bind(dataset);
  vi.spyOn(dataset, "read").mockImplementation((row) => (reads.push(row), read(row)));
  const prompts = await stream(dataset, processor).next(21);
  const order = [...new IndexSampler({ length: 37, seed: 3, shuffle: true, dropLast: true }).next(37)];
  expect(prompts.map(({ example }) => Number(example.id))).toEqual(order.filter((row) => isWhole[row]).slice(0, 21));
  expect(reads.slice(0, 21)).toEqual(order.slice(0, 21).sort((a, b) => a - b));
  for (const prompt of prompts) releasePrompt(prompt);
});

test("prompts that are ready are released when a later one fails", async () => {
  const { dataset, processor, made } = await world(Array.from({ length: 7 }, () => true));
  const read = dataset.read.bind(dataset);
  vi.spyOn(dataset, "read").mockImplementation((row) => (row === 5 ? Promise.reject(new Error("disk")) : read(row)));
  await expect(stream(dataset, processor).next(7)).rejects.toThrow("disk");
  expectReleased(made);
});

test("prompts that are ready are released when an evaluation is aborted while it reads", async () => {
  const { dataset, processor, made } = await world([true, true, true]);
  const controller = new AbortController();
  const read = dataset.read.bind(dataset);
  vi.spyOn(dataset, "read").mockImplementation((row) => {
    if (row === 1) controller.abort(new Error("enough"));
    return read(row);
  });
  const parts = { dataset, processor } as unknown as EvaluateParts;
  const options = { batchSize: -1, sampling: { n: 1 }, signal: controller.signal } as Parameters<typeof evaluate>[1];
  await expect(evaluate(parts, options)).rejects.toThrow("enough");
  expectReleased(made);
});

test("a reward part that some responses lack is averaged over those that have it", async () => {
  const { dataset, processor } = await world([true, true]);
  const response = { text: "", ids: new Int32Array(3) };
  const rollout = { generate: (prompts: Prompt[]) => Promise.resolve(prompts.map((prompt) => ({ prompt, responses: [response, response] }))) }; // prettier-ignore
  const rewards = [{ overall: 1, tone: 0.5 }, { overall: 0 }, { overall: 0.5 }, { overall: 0.5, tone: 1 }];
  const scorer = { score: () => Promise.resolve(rewards) };
  const parts = { dataset, processor, rollout, scorer } as unknown as EvaluateParts;
  const options = { batchSize: -1, sampling: { n: 2 } } as Parameters<typeof evaluate>[1];
  expect((await evaluate(parts, options)).average).toEqual({ overall: 0.5, tone: 0.75 });
});
