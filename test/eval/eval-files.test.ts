import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { EvalFiles, type EvalItem, evalPaths, readItems, summarize } from "../../lib/eval/eval-files.ts";
import { fingerprint } from "../../lib/eval/fingerprint.ts";
import { writeTinyModel } from "../../lib/miniature/model.ts";
import { tempFolder } from "../support/temp.ts";

const settings = { n: 1, model: "tiny" };

function item(id: string, overall: number): EvalItem {
  const response = {
    text: "\\boxed{1}",
    extracted: "1",
    finishReason: "stop" as const,
    numTokens: 3,
    reward: { overall },
  };
  return { id, file: "rows.jsonl", row: 1, prompt: "?", numImages: 0, answer: "1", responses: [response] };
}

async function drain(items: AsyncIterable<EvalItem>): Promise<void> {
  for await (const { id } of items) expect(id).toBe("a");
}

test("reopened files know their items, drop a line that was cut off, and sum up all of them", async () => {
  const paths = evalPaths(join(tempFolder(), "made", "here.jsonl"));
  {
    await using files = await EvalFiles.open(paths, settings);
    expect([...files.finished]).toEqual([]);
    await files.append([item("a", 1), item("b", 0)]);
  }
  writeFileSync(paths.items, `${readFileSync(paths.items, "utf8")}{"id":"c","responses":[${" ".repeat(70_000)}`);
  await using files = await EvalFiles.open(paths, settings);
  expect([...files.finished]).toEqual(["a", "b"]);
  await files.append([item("c", 0.5)]);
  const summary = await summarize(paths, { n: 1, numSkipped: 2, numOverlong: 0, skipped: [] });
  // (1 + 0 + 0.5) / 3
  expect(summary).toMatchObject({ rows: 3, average: { overall: 0.5 }, meanTokens: 3, cutShare: 0, numSkipped: 2 });
  expect(JSON.parse(readFileSync(paths.summary, "utf8"))).toEqual(summary);
});

test("a file of other settings, without settings, or held by another is refused", async () => {
  const paths = evalPaths(join(tempFolder(), "eval"));
  {
    await using files = await EvalFiles.open(paths, settings);
    await files.append([item("a", 1)]);
    await expect(EvalFiles.open(paths, settings)).rejects.toThrow(/^--out: expected a folder that no other process/u);
  }
  const other = { ...settings, n: 2 };
  await expect(EvalFiles.open(paths, other)).rejects.toThrow(/\(n was 1, is 2\)/u);
  await expect(EvalFiles.check(paths, other)).rejects.toThrow(/\(n was 1, is 2\)/u);
  writeFileSync(paths.settings, "{");
  await expect(EvalFiles.open(paths, settings)).rejects.toThrow(/settings\.json: expected the settings/u);
  const bare = evalPaths(join(tempFolder(), "items.jsonl"));
  writeFileSync(bare.items, "{}\n");
  await expect(EvalFiles.open(bare, settings)).rejects.toThrow(/expected .*items\.settings\.json beside/u);
});

test("a whole line that is no item, and a file in the folder's place, are named", async () => {
  const paths = evalPaths(join(tempFolder(), "eval"));
  mkdirSync(dirname(paths.items));
  writeFileSync(paths.settings, JSON.stringify(settings));
  writeFileSync(paths.items, `${JSON.stringify(item("a", 1))}\n{"id":3}\n`);
  await expect(EvalFiles.open(paths, settings)).rejects.toThrow(/items\.jsonl:2: expected an item of an evaluation/u);
  await expect(drain(readItems(paths.items))).rejects.toThrow(/:2: expected an item/u);
  await expect(EvalFiles.open(evalPaths(paths.settings), settings)).rejects.toThrow(/^--out: expected a folder or/u);
});

test("the fingerprint of weights survives a copy and changes with one bit", async () => {
  const dir = join(tempFolder(), "model");
  await writeTinyModel(dir, 1);
  const copy = join(tempFolder(), "copy");
  cpSync(dir, copy, { recursive: true });
  expect(await fingerprint(copy)).toBe(await fingerprint(dir));
  const file = join(copy, "model.safetensors");
  const bytes = readFileSync(file);
  bytes[5000] = (bytes[5000] ?? 0) ^ 1;
  writeFileSync(file, bytes);
  expect(await fingerprint(copy)).not.toBe(await fingerprint(dir));
});
