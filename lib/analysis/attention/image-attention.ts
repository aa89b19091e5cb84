// What responses look at in their prompt's pictures.
import { callNative, type CallOptions } from "../../native/call.ts";
import { loadNative } from "../../native/load.ts";
import type { Policy } from "../../policy/policy.ts";
import { groupInput } from "../../rollout/rollout.ts";
import type { Group } from "../../types.ts";

/** Rows of a pass. */
const maxPassTokens = 16_384;

/**
 * Of each response of each group: [M] attention on each image token of its prompt, pictures in order, each row by row of
 * its merged grid. A mean over layers, heads and the rows that predict the response's tokens, all weighted alike, of
 * probabilities over all keys; so its sum is the share of the attention that goes to pictures.
 * @throws {NativeError} E_VALUE for a prompt without pictures
 */
export async function imageAttention(
  policy: Policy,
  groups: readonly Group[],
  options: CallOptions = {},
): Promise<Float64Array[][]> {
  const native = loadNative();
  const batch = native.createBatch(groups.map(groupInput));
  try {
    const attention = await callNative(options, (watch) =>
      native.imageAttention(policy.handle, batch, { maxTokens: maxPassTokens }, watch),
    );
    let next = 0;
    return groups.map(({ responses }) => attention.slice(next, (next += responses.length)));
  } finally {
    native.dispose(batch);
  }
}

/**
 * Entropy of weights, renormalised to sum to 1, over the log of their number: 1 when all are equal, 0 when one has all.
 * @param weights [M] at least 0, not all 0
 * @throws {RangeError} for fewer than two weights: there is nothing to choose from
 */
export function normalizedEntropy(weights: ArrayLike<number>): number {
  if (weights.length < 2) throw new RangeError(`[normalizedEntropy] needs 2 or more weights, got ${weights.length}`);
  const sum = total(weights);
  let entropy = 0;
  for (const weight of Array.from(weights)) {
    const share = weight / sum;
    if (share > 0) entropy -= share * Math.log(share);
  }
  return entropy / Math.log(weights.length);
}

/** Share of the attention that goes to pictures, in [0, 1]. */
export function total(attention: ArrayLike<number>): number {
  return Array.from(attention).reduce((sum, weight) => sum + weight, 0);
}
