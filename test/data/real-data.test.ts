import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openDataset } from "../../lib/data/dataset.ts";
import { selectRows } from "../../lib/data/select.ts";
import { DataError } from "../../lib/errors.ts";
import { dataFolder, readJsonl } from "../support/data.ts";

test("every row of every question set becomes an example equal to its line", async () => {
  const folder = dataFolder("qa");
  if (folder === undefined) return;
  for (const set of readdirSync(folder)) {
    const file = join(folder, set, "data.jsonl");
    const rows = readJsonl(file);
    const selected = await selectRows(await openDataset(file), { keep: (example) => example.images.length > 0 });
    expect([selected.length, selected.skips.skipped], set).toEqual([rows.length, 0]);
    for (const [index, row] of rows.entries()) {
      const { id, problem, answer, images, extra } = await selected.read(index);
      expect({ id, problem, answer }).toEqual({ id: row.id, problem: row.problem, answer: row.answer });
      expect(images).toHaveLength((row.images as string[]).length);
      expect(extra).toEqual(without(row, ["id", "problem", "answer", "images"]));
    }
  }
});

test("the splits of a question set together are the whole set", async () => {
  const folder = dataFolder("qa");
  if (folder === undefined) return;
  for (const set of readdirSync(folder)) {
    const rows = readJsonl(join(folder, set, "data.jsonl"));
    const splits = [...new Set(rows.map(({ split }) => split as string))];
    const lengths = await Promise.all(splits.map(async (split) => (await openDataset(`${join(folder, set)}@${split}`)).length)); // prettier-ignore
    expect(lengths.reduce((sum, length) => sum + length)).toBe(rows.length);
  }
});

test("every bad JSONL and JSON file gives examples or a data error, for whole files and row by row", async () => {
  const folder = dataFolder("bad");
  if (folder === undefined) return;
  const manifest = readJsonl(join(folder, "manifest.jsonl")) as { path: string; expect?: string }[];
  for (const { path, expect: expected } of manifest.filter(({ path }) => /\.jsonl?$/.test(path))) {
    const outcomes = await readAll(join(folder, path));
    const line = /error naming line (\d+)/.exec(expected ?? "")?.[1];
    if (line !== undefined) expect(outcomes.join("\n"), path).toMatch(new RegExp(`:${line}: `));
    if (expected?.startsWith("clear error")) expect(outcomes.join("\n"), path).toContain(path);
    if (expected?.startsWith("reject")) expect(outcomes.join("\n"), path).toContain(path);
  }
});

/** "read" or the message of each row; the message of the file when it cannot be opened. */
async function readAll(file: string): Promise<string[]> {
  try {
    const dataset = await openDataset(file, { imageDir: "/" });
    const outcomes: string[] = [];
    for (let index = 0; index < dataset.length; index += 1)
      outcomes.push(await dataset.read(index).then(() => "read", messageOf));
    return outcomes;
  } catch (error) {
    return [messageOf(error)];
  }
}

function messageOf(error: unknown): string {
  expect(error).toBeInstanceOf(DataError);
  return (error as Error).message;
}

function without(row: Record<string, unknown>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).filter(([key]) => !keys.includes(key)));
}
