import { expect, test } from "vitest";
import type { KlEstimator, LossSpec, ObjectiveTokens, ResponseWeights } from "../../lib/native/binding.ts";
import { fullSpec, objectiveCase, plainSpec, testing } from "../support/objective.ts";

const { tokens, weights } = objectiveCase([3, 1], 7);

async function failure(
  change: { tokens?: Partial<ObjectiveTokens>; weights?: Partial<ResponseWeights>; spec?: object; dtype?: string },
  spec: LossSpec = fullSpec,
): Promise<string> {
  try {
    await testing.objective(
      { ...tokens, ...change.tokens },
      { ...weights, ...change.weights },
      { ...spec, ...change.spec },
      (change.dtype ?? "float32") as "float32",
    );
  } catch (error) {
    return `${(error as { code: string }).code} ${(error as Error).message}`;
  }
  return "no error";
}

function without<T extends object>(fields: T, name: keyof T): T {
  return Object.fromEntries(Object.entries(fields).filter(([key]) => key !== name)) as T;
}

test("a tensor of another length is named", async () => {
  const short = new Float64Array(3);
  expect(await failure({ tokens: { oldLogProbs: short } })).toBe(
    "E_SHAPE [objective] old_log_probs: expected 4 tokens, got 3",
  );
  expect(await failure({ tokens: { advantages: short } })).toMatch(/E_SHAPE .* advantages: expected 4 tokens, got 3/u);
});

test("a tensor that a term needs is asked for", async () => {
  const missing = async (name: keyof ObjectiveTokens, spec: LossSpec) => {
    try {
      await testing.objective(without(tokens, name), weights, spec, "float32");
    } catch (error) {
      return (error as Error).message;
    }
    return "no error";
  };
  expect(await missing("refLogProbs", fullSpec)).toContain("ref_log_probs: needed by this objective, but missing");
  expect(await missing("augLogProbs", fullSpec)).toContain("aug_log_probs: needed");
  expect(await missing("augLogProbs", { ...plainSpec, augEntropyCoef: 1 })).toContain("aug_log_probs: needed");
  expect(await missing("entropy", { ...plainSpec, entropy: "full", oriEntropyCoef: 1 })).toContain("entropy: needed");
  expect(await missing("augEntropy", { ...plainSpec, entropy: "full", augEntropyCoef: 1 })).toContain(
    "aug_entropy: needed",
  );
  expect(await missing("refLogProbs", plainSpec)).toBe("no error");
});

test("weights must be one a response", async () => {
  const three = new Float64Array(3);
  for (const name of ["lossWeights", "tokenWeights", "pgWeights", "prcpWeights", "sftWeights", "advantages"]) {
    expect(await failure({ weights: { [name]: three } })).toMatch(
      /E_SHAPE .*: expected 2 numbers, one a response, got 3/u,
    );
  }
});

test("the SFT term needs its weights", async () => {
  const bare = without(weights, "sftWeights");
  await expect(testing.objective(tokens, bare, { ...plainSpec, sftCoef: 1 }, "float32")).rejects.toThrow(
    /sft_weights/u,
  );
});

test("negative response lengths are refused", async () => {
  expect(await failure({ tokens: { responseLengths: Int32Array.of(5, -1) } })).toMatch(/expected 0 or more, got -1/u);
});

test("the full estimator is refused where only log-probs are, with what to use", async () => {
  const { logProbs, refLogProbs = logProbs, responseLengths } = tokens;
  const call = testing.klEstimate(logProbs, refLogProbs, "full" as KlEstimator, responseLengths);
  await expect(call).rejects.toThrow(/`full` needs whole distributions; use k1, abs, mse or k3/u);
  const full = { coef: 1, estimator: "full" } as const;
  expect(await failure({ spec: { klRef: full } })).toMatch(/ref_kl: needed by this objective, but missing/u);
  expect(await failure({ spec: { klPrcp: full } })).toMatch(/aug_kl: needed by this objective, but missing/u);
  expect(await failure({ spec: { klRef: { coef: 1, estimator: "k2" } } })).toMatch(
    /expected k1, abs, mse, k3 or full, got k2/u,
  );
});

test("a field of the spec that is wrong is named", async () => {
  expect(await failure({ spec: { policyLoss: "trpo" } })).toMatch(/loss.policyLoss: expected ppo or gspo, got trpo/u);
  expect(await failure({ spec: { entropy: "half" } })).toMatch(/loss.entropy: expected sampled or full, got half/u);
  expect(await failure({ spec: { clipLow: "0.2" } })).toMatch(/loss.clipLow: expected a number/u);
  expect(await failure({ spec: { clipLow: 1 } })).toMatch(/loss.clipLow: expected a number in \[0.0/u);
  expect(await failure({ spec: { sftCoef: NaN } })).toMatch(/loss.sftCoef: expected a number/u);
  expect(await failure({ spec: { klPrcp: 3 } })).toMatch(/loss.klPrcp: expected an object/u);
  expect(await failure({ spec: { klPrcp: { coef: 1, estimator: 1 } } })).toMatch(
    /klPrcp.estimator: expected a string/u,
  );
  expect(await failure({ spec: { klPrcp: { coef: 1, estimator: "k3", tokenTopP: 1 } } })).toMatch(/klPrcp.tokenTopP/u);
});

test("weights must be Float64Arrays", async () => {
  expect(await failure({ weights: { lossWeights: [1, 1] as unknown as Float64Array } })).toMatch(
    /weights.lossWeights: expected a Float64Array/u,
  );
});

test("another dtype is refused", async () => {
  expect(await failure({ dtype: "bfloat16" })).toMatch(/E_DTYPE .*expected float32 or float64, got bfloat16/u);
});

test("REINFORCE++ refuses rewards and KLs of other counts", async () => {
  const call = (numRewards: number, numKl: number) =>
    testing.reinforcePlusPlus(new Float64Array(numRewards), Int32Array.of(2, 1), new Float64Array(numKl), 0.1);
  await expect(call(3, 3)).rejects.toThrow(/rewards: expected one a response/u);
  await expect(call(2, 4)).rejects.toThrow(/kl: expected one number a token/u);
});
