import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { resolveConfig } from "../../lib/config/load.ts";
import { type LoadedPolicy, loadPolicy } from "../../lib/eval/loaded-policy.ts";
import { writeMiniature } from "../../lib/miniature/dataset.ts";
import { readModelConfig } from "../../lib/policy/model-config.ts";

let dir: string;
let policy: LoadedPolicy;
let images: string[];
const { path: model } = resolveConfig({ extends: "miniature-papo" }).model;
const prompt = "Sum of row 2?";

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "papo-policy-"));
  await writeMiniature(dir, { split: "eval", seed: 3, count: 1, rows: 3, columns: 3 });
  images = [join(dir, "images", "mini-eval-3-000000.png")];
  policy = await loadPolicy(model, { minPixels: 784 });
});
afterAll(() => {
  policy[Symbol.dispose]();
  rmSync(dir, { recursive: true });
});

const close = (expected: ArrayLike<number>, digits: number) =>
  Array.from(expected, (value) => expect.closeTo(value, digits) as number);

test.each([0.7, 1, 1.6])("at temperature %d responses score as they were sampled", async (temperature) => {
  const { responses } = await policy.generate({ prompt, images, n: 3, temperature, maxTokens: 20, seed: 5 });
  const scored = await policy.score({ prompt, images, responses: responses.map(({ ids }) => ids), temperature });
  expect(scored).toHaveLength(3);
  for (const [index, { ids, logProbs }] of scored.entries()) {
    expect(ids).toEqual(responses[index]?.ids);
    expect([...logProbs]).toEqual(close(responses[index]?.logProbs ?? [], 4));
  }
});

test("the first token's probabilities sum to 1 and have the entropy that is given", async () => {
  const { vocabSize } = (await readModelConfig(model)).text;
  const responses = Array.from({ length: vocabSize }, (_, id) => [id]);
  const scored = await policy.score({ prompt, images, responses, temperature: 1.5 });
  const logProbs = scored.map(({ logProbs: [value = NaN] }) => value);
  expect(logProbs.reduce((sum, value) => sum + Math.exp(value), 0)).toBeCloseTo(1, 5);
  const entropy = -logProbs.reduce((sum, value) => sum + Math.exp(value) * value, 0);
  expect(entropy).toBeGreaterThan(0.01);
  for (const { entropies } of scored) expect(entropies[0]).toBeCloseTo(entropy, 4);
});

test("the perception KL is k3 of both log-probs, and the masked ones are those of the masked picture", async () => {
  const responses = ["<think>813. 8+1+3=12</think>\\boxed{12}<|im_end|>", [264, 50]];
  const mask = { ratio: 0.6, seed: 4 };
  const scored = await policy.score({ prompt, images, responses, mask });
  for (const { logProbs, masked } of scored) {
    const ratio = Array.from(logProbs, (value, at) => value - (masked?.logProbs[at] ?? NaN));
    expect([...(masked?.logRatio ?? [])]).toEqual(close(ratio, 5));
    const k3 = ratio.map((value) => Math.min(10, Math.exp(-value) - 1 + value));
    expect([...(masked?.klPrcp ?? [])]).toEqual(close(k3, 4));
    expect(Math.max(...ratio.map(Math.abs))).toBeGreaterThan(0.1);
  }
  const plain = await policy.score({ prompt, images, responses });
  expect(plain.map(({ logProbs }) => [...logProbs])).toEqual(scored.map(({ logProbs }) => close(logProbs, 4)));
  expect(plain.every((response) => response.masked === undefined)).toBe(true);
  const [all, black] = await Promise.all([
    policy.score({ prompt, images, responses, mask: { ratio: 1 } }),
    policy.score({ prompt, images: [await blackened()], responses }),
  ]);
  expect(all.map(({ masked }) => [...(masked?.logProbs ?? [])])).toEqual(
    black.map(({ logProbs }) => close(logProbs, 4)),
  );
  expect(all.map(({ masked }) => [...(masked?.entropies ?? [])])).toEqual(
    black.map(({ entropies }) => close(entropies, 4)),
  );
});

/** A picture of the same size that is all black, as bytes. */
async function blackened(): Promise<Uint8Array> {
  const { default: sharp } = await import("sharp");
  const { width, height } = await sharp(images[0]).metadata();
  return await sharp({ create: { width, height, channels: 3, background: "black" } })
    .png()
    .toBuffer();
}

test("nothing masked is the picture itself", async () => {
  const [scored] = await policy.score({ prompt, images, responses: ["\\boxed{12}"], mask: { ratio: 0 } });
  expect([...(scored?.masked?.klPrcp ?? [])]).toEqual(close(new Array(scored?.ids.length ?? 0).fill(0), 6));
});

test("the same request gives the same responses, another seed others, whatever runs beside it", async () => {
  const request = { prompt, images, n: 4, temperature: 2, maxTokens: 12 };
  const [one, other, again] = await Promise.all([
    policy.generate(request),
    policy.generate({ ...request, seed: 1 }),
    policy.generate(request),
  ]);
  expect(again).toEqual(one);
  expect(other.responses).not.toEqual(one.responses);
  // 9 image tokens, one a cell
  expect(one.promptTokens - (await policy.generate({ prompt, maxTokens: 1 })).promptTokens).toBeGreaterThanOrEqual(9);
});

test.for([
  [{ responses: [[1, 1.5]] }, "RangeError", "responses[0][1]: expected a token id, got 1.5"],
  [{ responses: [[-1]] }, "RangeError", "responses[0][0]: expected a token id, got -1"],
  [{ responses: [[1, 99_999]] }, "NativeError", "a response has token 99999 outside the vocabulary"],
  [{ responses: [[1]], temperature: 0 }, "NativeError", "expected a number above 0"],
  [{ responses: [[1]], mask: {}, images: [] }, "ConfigError", "mask: expected a picture to mask, got none"],
  [{ responses: [[1]], mask: { ratio: 2 } }, "ConfigError", "mask.ratio: expected a number >= 0 and <= 1, got 2"],
  [{ responses: [[1]], images: ["none.png"] }, "DataError", "prompt: picture none.png: cannot be read"],
  [{ responses: [[1]], prompt: "<image><image>" }, "ConfigError", "expected one <image> mark a picture"],
] as const)("a wrong request to score is refused: %#", async ([wrong, name, text]) => {
  const error = await policy.score({ prompt, images, ...wrong }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ name, message: expect.stringContaining(text) as string });
});

test("no responses have no scores, and one without tokens has empty ones", async () => {
  expect(await policy.score({ prompt, responses: [] })).toEqual([]);
  const [empty, one] = await policy.score({ prompt, responses: [[], [264]] });
  expect([empty?.logProbs.length, one?.logProbs.length]).toEqual([0, 1]);
});

test("an abort rejects with the signal's reason", async () => {
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  await expect(policy.generate({ prompt, signal })).rejects.toBe(reason);
  await expect(policy.score({ prompt, responses: [[264]], signal })).rejects.toBe(reason);
  await expect(loadPolicy(model, { signal })).rejects.toBe(reason);
});

test("a disposed policy says so", async () => {
  const other = await loadPolicy(model);
  other[Symbol.dispose]();
  const disposed = { name: "NativeError", code: "E_DISPOSED" };
  await expect(other.generate({ prompt })).rejects.toMatchObject(disposed);
  await expect(other.score({ prompt, responses: [[264]] })).rejects.toMatchObject(disposed);
});

test("a folder without a checkpoint is refused", async () => {
  await expect(loadPolicy(dir)).rejects.toMatchObject({ name: "CheckpointError", dir });
});
