import { expect, test } from "vitest";
import type { Dataset } from "../../lib/data/dataset.ts";
import { SkipCounter } from "../../lib/data/skips.ts";
import { DataError } from "../../lib/errors.ts";
import { PromptBatches, type PromptBatchOptions } from "../../lib/eval/prompt-batches.ts";
import type { Processor } from "../../lib/processor/processor.ts";
import type { Example, Prompt } from "../../lib/types.ts";

/** Rows whose pictures turn out broken where `broken` says so, after a pass that took them all for usable. */
function batchesOf(numRows: number, broken: readonly number[], options: Partial<PromptBatchOptions>) {
  const skips = new SkipCounter("set", 1);
  for (let row = 0; row < numRows; row += 1) skips.accept();
  const read = (row: number) => Promise.resolve({ id: String(row), row: row + 1 } as Example);
  const dataset: Dataset = { name: "set", length: numRows, skips, read };
  const prepare = (example: Example) => {
    if (broken.includes(Number(example.id))) throw new DataError("set", example.row, "broken picture");
    return Promise.resolve({ example, images: [] as readonly unknown[] } as Prompt);
  };
  return new PromptBatches(dataset, { prepare } as unknown as Processor, { batchSize: 3, ...options });
}

async function idsOf(batches: PromptBatches): Promise<string[][]> {
  const ids: string[][] = [];
  for await (const { prompts } of batches) ids.push(prompts.map(({ example }) => example.id));
  return ids;
}

test("batches are in order without the unusable rows, which are counted and reported", async () => {
  const batches = batchesOf(7, [0, 3, 4, 5], { maxSkippedShare: 0.6 });
  expect(await idsOf(batches)).toEqual([["1", "2"], ["6"]]);
  expect(batches.skips).toMatchObject({ skipped: 4, seen: 7 });
  expect(batches.skips.reports[0]).toBe("set:1: broken picture");
});

test("more unusable rows than the share end in an error, whatever an earlier pass has counted", async () => {
  await expect(idsOf(batchesOf(7, [2], {}))).rejects.toThrow(
    "set: 1 of 7 rows are unusable, more than maxSkippedShare 0.05; first: set:3: broken picture",
  );
});

test("a pass without any usable row is an error at any share", async () => {
  const all = batchesOf(3, [0, 1, 2], { maxSkippedShare: 1 });
  await expect(idsOf(all)).rejects.toThrow("set: no row is usable; first: set:1: broken picture");
});

test("rows that are done are left out and count as usable", async () => {
  const isDone = ({ id }: Example) => id !== "6";
  const batches = batchesOf(7, [2], { batchSize: -1, isDone });
  expect(await idsOf(batches)).toEqual([["6"]]);
  await expect(idsOf(batchesOf(7, [6], { isDone, maxSkippedShare: 1 }))).resolves.toEqual([]);
});
