import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { DataError } from "../../lib/errors.ts";
import { tempFolder } from "../support/temp.ts";
import { config, ids, load, smallWorkload, writeWorkload } from "./world.ts";

async function failure(file: string): Promise<string> {
  const error: unknown = await load(file).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(DataError);
  return (error as DataError).message;
}

test("a workload's prompts keep their ids, pictures and order, and have names of their own", async () => {
  const prompts = await load(await smallWorkload());
  expect(prompts.map(({ example }) => example.id)).toEqual(["prompt-0", "prompt-1", "prompt-2"]);
  expect([...(prompts[0]?.ids ?? [])]).toEqual(ids);
  expect(prompts.map(({ imageGridThw }) => imageGridThw)).toEqual([[[1, 4, 6]], [], [[1, 4, 6]]]);
});

test("a file that is missing, no JSON or no workload is named with the rule", async () => {
  const missing = join(tempFolder(), "none.json");
  expect(await failure(missing)).toContain(missing);
  const broken = join(tempFolder(), "broken.json");
  writeFileSync(broken, "{");
  expect(await failure(broken)).toContain("broken.json");
  expect(await failure(await writeWorkload([]))).toMatch(/workload\.json.*prompts: /u);
  expect(await failure(await writeWorkload([{ input_ids: [] }]))).toContain("prompts.0.input_ids: ");
  expect(await failure(await writeWorkload([{ input_ids: [1] }, { input_ids: [-1] }]))).toContain(
    "prompts.1.input_ids.0: ",
  );
  expect(await failure(await writeWorkload([{ input_ids: [1.5] }]))).toContain("prompts.0.input_ids.0: ");
});

test("an id outside the vocabulary is named with its prompt", async () => {
  const { vocabSize } = config.text;
  const text = await failure(await writeWorkload([{ input_ids: [1] }, { input_ids: [1, vocabSize] }]));
  expect(text).toMatch(/workload\.json.*2/u);
  expect(text).toContain(`input_ids: expected ids below ${vocabSize}, got ${vocabSize}`);
});

test("image tokens that are not as many as the pictures need are named with their prompt", async () => {
  const wrong = [{ input_ids: [1] }, { input_ids: [...ids, config.imageTokenId], images: ["a.png"] }];
  expect(await failure(await writeWorkload(wrong))).toContain("expected 6 image tokens for its pictures, got 7");
  expect(await failure(await writeWorkload([{ input_ids: [1, 2], images: ["a.png"] }]))).toContain("6 image tokens");
  expect(await failure(await writeWorkload([{ input_ids: ids }]))).toContain("expected 0 image tokens");
});

test("a picture that is missing or broken is named with its prompt", async () => {
  expect(await failure(await writeWorkload([{ input_ids: ids, images: ["b.png"] }]))).toContain("b.png");
  const file = await writeWorkload([{ input_ids: ids, images: ["c.png"] }]);
  writeFileSync(join(dirname(file), "c.png"), "no picture");
  expect(await failure(file)).toContain("c.png");
});
