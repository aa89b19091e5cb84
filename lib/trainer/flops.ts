// The reference's figure of a step's arithmetic, and the share of the device's peak that it reached. What papo really
// computes is in lib/plan/flops.ts.
import { peakFlopsOf } from "../plan/gpus.ts";
import { languageLayerWeights } from "../plan/weights.ts";
import type { TextConfig } from "../policy/model-config.ts";

/**
 * Floating-point operations of one forward and backward pass over sequences of these lengths: 6 per weight and token
 * plus the attention scores. The vision tower and passes without gradient are not counted.
 * Source: the reference's utils/flops_counter.py, so that the figures compare.
 */
export function trainingFlops(text: TextConfig, seqLengths: readonly number[]): number {
  const { hiddenSize, numLayers, numHeads, headSize, vocabSize } = text;
  const weights = numLayers * languageLayerWeights(text) + 2 * vocabSize * hiddenSize;
  let [tokens, squares] = [0, 0];
  for (const length of seqLengths) {
    tokens += length;
    squares += length * length;
  }
  return 6 * weights * tokens + 12 * squares * headSize * numHeads * numLayers;
}

/** Model FLOPs utilisation, 0 to 1; 0 on a device whose peak is not known, as every CPU. */
export function modelFlopsUtilisation(flops: number, seconds: number, deviceName: string): number {
  const peak = peakFlopsOf(deviceName);
  return peak === undefined || seconds <= 0 ? 0 : flops / seconds / peak;
}
