import { expect, test } from "vitest";
import { testing } from "../support/objective.ts";
import { batchOf, mixedGroups, picture, prompt, response, tinyPolicy } from "../support/tiny-policy.ts";

// A page of the cache holds 64 tokens.
test("decoding token by token gives the packed pass's logits across pages", async () => {
  const policy = await tinyPolicy();
  const long = { prompt: prompt("long", [1, picture(3), 2]), responses: [63, 64, 65, 130].map(response) };
  expect(await testing.compareDecode(policy, batchOf([long]))).toBeLessThan(2e-5);
});

test("decoding prompts and responses of many lengths together does too", async () => {
  const policy = await tinyPolicy();
  expect(await testing.compareDecode(policy, batchOf(mixedGroups()))).toBeLessThan(2e-5);
});

// The prompts have 11, 5 and 19 rows; 18 leaves a chunk of one.
test.each([1, 7, 18])("prompts prefilled in chunks of %i rows do too", async (chunkRows) => {
  const policy = await tinyPolicy();
  expect(await testing.compareDecode(policy, batchOf(mixedGroups()), chunkRows)).toBeLessThan(2e-5);
});

test("a bfloat16 policy decodes near its packed pass", async () => {
  const policy = await tinyPolicy({ dtype: "bfloat16" });
  for (const chunkRows of [1000, 7])
    expect(await testing.compareDecode(policy, batchOf(mixedGroups()), chunkRows)).toBeLessThan(0.05);
});
