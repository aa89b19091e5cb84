// Laws of the attention to pictures; its values are held against transformers in test/golden/attention.test.ts.
import { expect, test } from "vitest";
import type { GroupInput, PolicyHandle } from "../../lib/native/binding.ts";
import { loadNative } from "../../lib/native/load.ts";
import { policyOn } from "../support/device-policy.ts";
import { batchOf, picture, prompt, relativeDifference, response, tinyPolicy } from "../support/tiny-policy.ts";

const native = loadNative();

/** Responses of 5, 1, 37 and 2 tokens to prompts of one and two pictures. */
const groups = (): GroupInput[] => [
  {
    prompt: prompt("one", [3, picture(5), 17, 9]),
    responses: [response(5, 1), response(1, 3), response(37, 2)],
  },
  { prompt: prompt("two", [picture(6, 84, 84), 21, picture(7, 56, 56), 22]), responses: [response(2, 6)] },
];

async function attentionOf(
  policy: PolicyHandle,
  of: GroupInput[],
  options: { maxTokens?: number; chunkBytes?: number } = {},
) {
  return await native.imageAttention(policy, batchOf(of), { maxTokens: 4096, ...options });
}

const worst = (actual: Float64Array[], expected: Float64Array[]) =>
  actual.length === expected.length
    ? Math.max(...actual.map((values, i) => relativeDifference(values, expected[i] ?? new Float64Array())))
    : Infinity;

test("a response has one number an image token of its prompt, and their sum is a share", async () => {
  const attention = await attentionOf(await tinyPolicy({ trained: false }), groups());
  expect(attention.map(({ length }) => length)).toEqual([6, 6, 6, 13]);
  for (const values of attention) {
    expect(Math.min(...values)).toBeGreaterThan(0);
    expect(values.reduce((sum, value) => sum + value, 0)).toBeLessThan(1);
  }
});

test("a response's attention is the mean over its tokens of that of its beginnings", async () => {
  // The first n rows of a longer response are those of its beginning: n a(n) - (n - 1) a(n - 1) is row n's own.
  const policy = await tinyPolicy({ trained: false, dtype: "float64" });
  const whole = response(4, 8);
  const at = prompt("one", [3, picture(5), 17, 9]);
  const beginnings = [1, 2, 3, 4].map((length) => whole.slice(0, length));
  const attention = await attentionOf(policy, [{ prompt: at, responses: beginnings }]);
  const rowsOf = (n: number) => (attention[n - 1] ?? new Float64Array()).map((value) => n * value);
  for (const n of [2, 3, 4]) {
    const before = rowsOf(n - 1);
    const own = rowsOf(n).map((value, i) => value - (before[i] ?? NaN));
    expect(Math.min(...own)).toBeGreaterThan(0); // a probability, were the rows before another mean it would not be
    expect(own.reduce((sum, value) => sum + value, 0)).toBeLessThan(1);
  }
  // The last token is never fed: another one in its place changes nothing.
  const other = Int32Array.from(whole, (id, i) => (i === 3 ? (id + 1) % 80 : id));
  const changed = await attentionOf(policy, [{ prompt: at, responses: [other] }]);
  expect(worst(changed, attention.slice(3))).toBeLessThan(1e-12);
});

test("neither other responses, chunks of rows nor passes change it", async () => {
  const policy = await tinyPolicy({ trained: false, dtype: "float64" });
  const all = groups();
  const expected = await attentionOf(policy, all);
  const alone = all.flatMap((group) => group.responses.map((one) => ({ ...group, responses: [one] })));
  expect(worst(await attentionOf(policy, alone), expected)).toBeLessThan(1e-12);
  // 2 heads of 8 bytes on 47 keys: one row, and seven rows, of the longest response at a time.
  for (const chunkBytes of [1, 7 * 47 * 2 * 8]) {
    expect(worst(await attentionOf(policy, all, { chunkBytes }), expected)).toBeLessThan(1e-12);
  }
  expect(worst(await attentionOf(policy, all, { maxTokens: 1 }), expected)).toBeLessThan(1e-12);
});

test.for([
  ["float32", 1e-5],
  ["bfloat16", 0.05],
] as const)("on a device it is the CPU's, %s", async ([dtype, bound]) => {
  const expected = await attentionOf(await policyOn("cpu"), groups());
  const emulated = await attentionOf(await policyOn("emulated", dtype), groups());
  expect(worst(emulated, expected)).toBeLessThan(bound);
});

test("a prompt without a picture and a response without tokens are refused", async () => {
  const policy = await tinyPolicy({ trained: false });
  const text = [{ prompt: prompt("text", [11, 12]), responses: [response(3, 4)] }];
  await expect(attentionOf(policy, text)).rejects.toThrow("text: expected a prompt with a picture");
  const empty = [{ prompt: prompt("empty", [picture(5)]), responses: [response(0, 4)] }];
  await expect(attentionOf(policy, empty)).rejects.toThrow("empty: expected responses with tokens");
});

test("it tells its progress and stops when told to", async () => {
  const policy = await tinyPolicy({ trained: false });
  const seen: number[][] = [];
  const watch = { progress: (...numbers: [number, number]) => seen.push(numbers) };
  await native.imageAttention(policy, batchOf(groups()), { maxTokens: 60 }, watch);
  await new Promise(setImmediate);
  expect(seen.at(-1)).toEqual([2, 2]);
  const cancel = native.createCancelFlag();
  native.raiseCancelFlag(cancel);
  await expect(native.imageAttention(policy, batchOf(groups()), { maxTokens: 4096 }, { cancel })).rejects.toMatchObject({ code: "E_ABORTED" }); // prettier-ignore
  native.dispose(cancel);
});
