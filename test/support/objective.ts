// Packed response tokens for tests of the objective, with weights as lib/algorithm gives them.
import { loadNative } from "../../lib/native/load.ts";
import type {
  LossSpec,
  NativeTesting,
  ObjectiveReport,
  ObjectiveTokens,
  ResponseWeights,
} from "../../lib/native/binding.ts";

export const testing = loadNative() as unknown as NativeTesting;

/** A batch that a test can change field by field. */
export interface ObjectiveCase {
  readonly tokens: ObjectiveTokens;
  readonly weights: ResponseWeights;
}

/** Uniform in [0, 1): mulberry32, so that cases are the same everywhere. */
export function uniforms(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t ^= t + Math.imul(t ^ (t >>> 7), 61 | t);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function total(lengths: readonly number[]): number {
  return lengths.reduce((sum, length) => sum + length, 0);
}

/** Token means of the packed batch. */
export function tokenMeanWeights(lengths: readonly number[], advantages: readonly number[]): ResponseWeights {
  const weights = new Float64Array(lengths.length).fill(1 / total(lengths));
  return { advantages: Float64Array.from(advantages), lossWeights: weights, tokenWeights: weights };
}

/** Log-probs near each other, as a policy, its past self, its reference and its view of the masked picture are. */
export function objectiveCase(lengths: readonly number[], seed = 1): ObjectiveCase {
  const uniform = uniforms(seed);
  const numTokens = total(lengths);
  const array = (make: () => number) => Float64Array.from({ length: numTokens }, make);
  const logProbs = array(() => -3 * uniform() - 0.05);
  const near = (spread: number) => logProbs.map((value) => Math.min(value + spread * (uniform() - 0.5), -0.001));
  return {
    tokens: {
      responseLengths: Int32Array.from(lengths),
      logProbs,
      oldLogProbs: near(1.4),
      refLogProbs: near(1),
      augLogProbs: near(3),
      entropy: array(() => 2 * uniform()),
      augEntropy: array(() => 2 * uniform()),
    },
    weights: {
      ...tokenMeanWeights(
        lengths,
        lengths.map(() => 3 * (uniform() - 0.5)),
      ),
      lossWeights: Float64Array.from(lengths, (length) => (length === 0 ? 0 : 1 / (lengths.length * length))),
      prcpWeights: Float64Array.from(lengths, () => uniform()),
      sftWeights: Float64Array.from(lengths, (_, index) => (index % 2 === 0 ? 1 / numTokens : 0)),
    },
  };
}

/** Plain clipped policy gradient without dual clip: every other term is off. */
export const singleClipSpec: LossSpec = {
  policyLoss: "ppo",
  clipLow: 0.2,
  clipHigh: 0.3,
  augEntropyCoef: 0,
  oriEntropyCoef: 0,
  entropy: "sampled",
  sftCoef: 0,
};

export const plainSpec: LossSpec = { ...singleClipSpec, clipDual: 3 };

/** Every term on. */
export const fullSpec: LossSpec = {
  ...plainSpec,
  klRef: { coef: 0.1, estimator: "k3" },
  klPrcp: { coef: 0.2, estimator: "k3" },
  augEntropyCoef: 0.03,
  oriEntropyCoef: 0.05,
  sftCoef: 0.07,
};

export function run(
  { tokens, weights }: ObjectiveCase,
  spec: LossSpec,
  dtype: "float32" | "float64" = "float64",
): Promise<ObjectiveReport> {
  return testing.objective(tokens, weights, spec, dtype);
}

/** The responses [begin, end) as a batch of their own, with the weights they have in the whole. */
export function slice({ tokens, weights }: ObjectiveCase, begin: number, end: number): ObjectiveCase {
  const lengths = tokens.responseLengths;
  const first = total([...lengths.slice(0, begin)]);
  const last = first + total([...lengths.slice(begin, end)]);
  const cut = <T extends object>(fields: T, from: number, to: number): T =>
    Object.fromEntries(
      Object.entries(fields).map(([name, values]) => [name, (values as Float64Array).slice(from, to)]),
    ) as T;
  return {
    tokens: { ...cut(tokens, first, last), responseLengths: lengths.slice(begin, end) },
    weights: cut(weights, begin, end),
  };
}

/** Gradient of the loss in a field, zeros where none flows. */
export function gradient(report: ObjectiveReport, field: keyof ObjectiveTokens, size: number): Float64Array {
  return report.gradients[field] ?? new Float64Array(size);
}

export function largestDifference(actual: Float64Array, expected: Float64Array): number {
  if (actual.length !== expected.length) return Infinity;
  return actual.reduce((worst, value, index) => Math.max(worst, Math.abs(value - (expected[index] ?? NaN))), 0);
}
