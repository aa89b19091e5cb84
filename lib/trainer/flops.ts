// Arithmetic of a training step and the share of the device's peak that it reached.
import type { TextConfig } from "../policy/model-config.ts";

/** Dense bfloat16 peak in FLOP/s by the whole device name, because "H20" is a part of "H200". */
const peakFlops: Readonly<Record<string, number>> = {
  "NVIDIA H100 80GB HBM3": 989e12,
  "NVIDIA H200": 989e12,
  "NVIDIA H800": 989e12,
  "NVIDIA H20": 148e12,
  "NVIDIA A100-SXM4-80GB": 312e12,
  "NVIDIA A100-SXM4-40GB": 312e12,
  "NVIDIA A100 80GB PCIe": 312e12,
  "NVIDIA A800-SXM4-80GB": 312e12,
  "NVIDIA L40": 181.05e12,
  "NVIDIA L20": 119.5e12,
};

/**
 * Floating-point operations of one forward and backward pass over sequences of these lengths: 6 per weight and token
 * plus the attention scores. The vision tower and passes without gradient are not counted.
 * Source: the reference's utils/flops_counter.py, so that the figures compare.
 */
export function trainingFlops(text: TextConfig, seqLengths: readonly number[]): number {
  const { hiddenSize, intermediateSize, numLayers, numHeads, numKvHeads, headSize, vocabSize } = text;
  const attentionWeights = hiddenSize * headSize * (2 * numHeads + 2 * numKvHeads);
  const weights = numLayers * (3 * hiddenSize * intermediateSize + attentionWeights) + 2 * vocabSize * hiddenSize;
  let [tokens, squares] = [0, 0];
  for (const length of seqLengths) {
    tokens += length;
    squares += length * length;
  }
  return 6 * weights * tokens + 12 * squares * headSize * numHeads * numLayers;
}

/** Model FLOPs utilisation, 0 to 1; 0 on a device whose peak is not known, as every CPU. */
export function modelFlopsUtilisation(flops: number, seconds: number, deviceName: string): number {
  const peak = Object.hasOwn(peakFlops, deviceName) ? peakFlops[deviceName] : undefined;
  return peak === undefined || seconds <= 0 ? 0 : flops / seconds / peak;
}
