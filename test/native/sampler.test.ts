import { describe, expect, test } from "vitest";
import { testing, uniforms } from "../support/objective.ts";

const plain = { temperature: 1, topP: 1, topK: 0, seed: 11, draws: 20_000 };

async function counts(logits: ArrayLike<number>, options: Partial<typeof plain> = {}): Promise<number[]> {
  const tokens = await testing.sampleTokens(Float32Array.from(logits), { ...plain, ...options });
  const out = new Array<number>(logits.length).fill(0);
  for (const token of tokens) out[token] = (out[token] ?? 0) + 1;
  return out;
}

/** Chi-square of the counts against probabilities; infinite when a token of probability 0 was drawn. */
function chiSquare(observed: readonly number[], probabilities: readonly number[]): number {
  const total = observed.reduce((sum, count) => sum + count, 0);
  return probabilities.reduce((sum, p, token) => {
    const count = observed[token] ?? 0;
    if (p === 0) return count === 0 ? sum : Infinity;
    return sum + (count - p * total) ** 2 / (p * total);
  }, 0);
}

/** The 99.9 % point of chi-square by Wilson and Hilferty's cube-root formula. */
function bound(probabilities: readonly number[]): number {
  const freedom = probabilities.filter((p) => p > 0).length - 1;
  if (freedom === 0) return 1e-9;
  const spread = 2 / (9 * freedom);
  return freedom * (1 - spread + 3.09 * Math.sqrt(spread)) ** 3;
}

async function expectDistribution(
  logits: ArrayLike<number>,
  options: Partial<typeof plain>,
  weights: readonly number[],
): Promise<void> {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const probabilities = weights.map((weight) => weight / total);
  expect(chiSquare(await counts(logits, options), probabilities)).toBeLessThan(bound(probabilities));
}

// Probabilities 5, 3, 1, 1 tenths.
const tenths = [5, 3, 1, 1];
const logits = tenths.map(Math.log);

describe("logits ln 5, ln 3, ln 1, ln 1", () => {
  test.each([
    ["all", {}, [5, 3, 1, 1]],
    ["temperature 0.5 squares the probabilities", { temperature: 0.5 }, [25, 9, 1, 1]],
    ["temperature 2 takes their roots", { temperature: 2 }, tenths.map(Math.sqrt)],
    ["top 1", { topK: 1 }, [1, 0, 0, 0]],
    ["top 2", { topK: 2 }, [5, 3, 0, 0]],
    ["top 3: the third and fourth are equal and both kept", { topK: 3 }, [5, 3, 1, 1]],
    ["top 4 and more than there are", { topK: 37 }, [5, 3, 1, 1]],
    ["top-p 0.5: the likeliest holds as much", { topP: 0.5 }, [1, 0, 0, 0]],
    ["top-p 0.51: the second is needed", { topP: 0.51 }, [5, 3, 0, 0]],
    ["top-p 0.81: of two equal ones both are kept", { topP: 0.81 }, [5, 3, 1, 1]],
    ["top 2, then top-p 0.6 of its 8 tenths: 5 / 8 is enough", { topK: 2, topP: 0.6 }, [1, 0, 0, 0]],
    ["top 2, then top-p 0.7 of its 8 tenths: 5 / 8 is not", { topK: 2, topP: 0.7 }, [5, 3, 0, 0]],
    ["temperature comes before top-p: 25 / 36 is under 0.7", { temperature: 0.5, topP: 0.7 }, [25, 9, 0, 0]],
    ["temperature comes before top-p: 25 / 36 is over 0.69", { temperature: 0.5, topP: 0.69 }, [1, 0, 0, 0]],
    ["top-p of nearly nothing", { topP: 1e-9 }, [1, 0, 0, 0]],
    ["temperature 0", { temperature: 0, topP: 1, topK: 0 }, [1, 0, 0, 0]],
    ["a temperature under the smallest float32", { temperature: 1e-42 }, [1, 0, 0, 0]],
  ])("%s", async (_, options, weights) => {
    await expectDistribution(logits, options, weights);
  });
});

test.each([1, 7, 37, 1025])("%i random logits are drawn from their softmax, whole and cut", async (vocab) => {
  const uniform = uniforms(vocab);
  const random = Array.from({ length: vocab }, () => 2 * uniform());
  const weights = Array.from(Float32Array.from(random), Math.exp);
  await expectDistribution(random, {}, weights);
  const order = [...weights.keys()].sort((a, b) => (weights[b] ?? 0) - (weights[a] ?? 0));
  const cut = (kept: ReadonlySet<number>) => weights.map((weight, token) => (kept.has(token) ? weight : 0));
  const topK = Math.ceil(vocab / 3);
  await expectDistribution(random, { topK }, cut(new Set(order.slice(0, topK))));
  let mass = 0.3 * weights.reduce((sum, weight) => sum + weight, 0);
  const nucleus = order.filter((token) => {
    const needed = mass > 0;
    mass -= weights[token] ?? 0;
    return needed;
  });
  await expectDistribution(random, { topP: 0.3 }, cut(new Set(nucleus)));
});

// Ties at the cut are kept, so that all stay.
test.each([{}, { topK: 3 }, { topP: 1e-9 }])("equal logits stay uniform with %j", async (options) => {
  const equal = new Array<number>(37).fill(-1.5);
  await expectDistribution(
    equal,
    options,
    equal.map(() => 1),
  );
});

// Rejection gives up after 31 draws; a flat tail of 1,024 tokens beside a token of 1 % makes that the rule.
test("a cut that nearly every draw misses keeps its distribution", async () => {
  const weights = [...new Array<number>(1023).fill(1), 2, 3];
  await expectDistribution(
    weights.map(Math.log),
    { topK: 2 },
    weights.map((weight) => (weight > 1 ? weight : 0)),
  );
});

test("tokens of logit -inf are never drawn", async () => {
  const some = [-Infinity, 0, -Infinity, Math.log(3), -Infinity];
  for (const options of [{}, { topK: 4 }, { topP: 0.999 }, { temperature: 100 }]) {
    const tempered = options.temperature === undefined ? 3 : 3 ** 0.01;
    await expectDistribution(some, options, [0, 1, 0, tempered, 0]);
  }
});

test("temperature 0 takes the lowest id among equals", async () => {
  expect(await counts([0, 2, 2, 1], { temperature: 0, draws: 3 })).toEqual([0, 3, 0, 0]);
});

test("a draw is a function of seed and position", async () => {
  const draw = (options: Partial<typeof plain>) =>
    testing.sampleTokens(Float32Array.from(logits), { ...plain, draws: 111, ...options });
  expect(await draw({})).toEqual(await draw({}));
  expect((await draw({ draws: 37 })).join()).toBe((await draw({})).slice(0, 37).join());
  expect(await draw({ seed: 12 })).not.toEqual(await draw({}));
});

test.each([
  ["a nan", [0, NaN, 1]],
  ["+inf", [0, Infinity]],
  ["nothing but -inf", [-Infinity, -Infinity]],
])("logits with %s are E_NONFINITE", async (_, bad) => {
  await expect(counts(bad, { draws: 1 })).rejects.toMatchObject({ code: "E_NONFINITE" });
  await expect(counts(bad, { draws: 1, temperature: 0 })).rejects.toThrow("the logits of token 0 are not finite");
});

test.each([1e4, 1e46, 1e300])(
  "at temperature %d all are equally likely, but a logit of -inf is never drawn",
  async (t) => {
    await expectDistribution([5, -Infinity, -7, 0], { temperature: t }, [1, 0, 1, 1]);
  },
);
