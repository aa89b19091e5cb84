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

test("a bfloat16 policy decodes near its packed pass", async () => {
  const policy = await tinyPolicy({ dtype: "bfloat16" });
  expect(await testing.compareDecode(policy, batchOf(mixedGroups()))).toBeLessThan(0.05);
});
