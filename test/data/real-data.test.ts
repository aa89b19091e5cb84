import { expect, test } from "vitest";
import { openDataset } from "../../lib/data/dataset.ts";
import { selectRows } from "../../lib/data/select.ts";
import { DataError } from "../../lib/errors.ts";
import { badFiles, isThere, questionPictures, questionSets } from "../support/data.ts";
import type { DataRow } from "../support/data.ts";

test("every row of every question set becomes an example equal to its line", async () => {
  for (const { name, file, rows } of questionSets()) {
    const whole = rows.filter((row) => questionPictures(file, row).every(isThere));
    if (whole.length < rows.length)
      console.log(`skipped: ${rows.length - whole.length} rows of ${name} miss a picture`);
    if (whole.length === 0) continue;
    const selected = await selectRows(await openDataset(file, { maxSkippedShare: 1 }));
    expect([selected.length, selected.skips.skipped], name).toEqual([whole.length, rows.length - whole.length]);
    for (const [index, row] of whole.entries()) {
      const { id, problem, answer, images, extra } = await selected.read(index);
      expect({ id, problem, answer }).toEqual({
        id: row["id"],
        problem: row["problem"],
        answer: String(row["answer"]),
      });
      expect(images).toHaveLength(questionPictures(file, row).length);
      expect(extra).toEqual(without(row, ["id", "problem", "answer", "images"]));
    }
  }
});

test("the splits of a question set together are the whole set", async () => {
  for (const { file, rows } of questionSets()) {
    const splits = new Set(rows.flatMap((row) => (typeof row["split"] === "string" ? [row["split"]] : [])));
    let total = 0;
    for (const split of splits) total += (await openDataset(`${file}@${split}`)).length;
    expect([file, total]).toEqual([file, rows.filter((row) => typeof row["split"] === "string").length]);
  }
});

test("every bad JSONL and JSON file gives examples or a data error, for whole files and row by row", async () => {
  for (const { row, path } of badFiles("JSONL and JSON files", (row) => /\.jsonl?$/.test(String(row["path"])))) {
    const outcomes = (await readAll(path)).join("\n");
    const expected = String(row["expect"]);
    const line = /error naming line (\d+)/.exec(expected)?.[1];
    if (line !== undefined) expect(outcomes, path).toMatch(new RegExp(`:${line}: `));
    if (/^(clear error|reject)/.test(expected)) expect(outcomes, path).toContain(path);
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

function without(row: DataRow, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).filter(([key]) => !keys.includes(key)));
}
