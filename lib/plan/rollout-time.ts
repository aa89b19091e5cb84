// Seconds of a rollout: prefill at the utilisation of training, decoding by the bytes that it reads.
import type { Calibration } from "./calibration.ts";
import type { GpuSet } from "./gpus.ts";
import { totalFlops } from "./flops.ts";
import type { Lengths } from "./workload.ts";
import { decodeFlops, prefillFlops } from "./step-flops.ts";
import { numWeights } from "./weights.ts";
import type { ModelSizes } from "./weights.ts";
import { groupOf } from "./workload.ts";

/** Bytes of keys and values of one token. */
export function kvBytesPerToken({ text }: ModelSizes, bytesPerNumber: number): number {
  return 2 * text.numLayers * text.numKvHeads * text.headSize * bytesPerNumber;
}

/** FLOP/s that passes reach on one GPU; float32 products run at half the bfloat16 peak (TF32). */
export function effectiveFlops({ gpu }: GpuSet, { utilisation }: Calibration, bytesPerNumber: number): number {
  return (gpu.peakFlops * utilisation * 2) / bytesPerNumber;
}

export interface RolloutWork {
  readonly model: ModelSizes;
  readonly gpus: GpuSet;
  readonly calibration: Calibration;
  readonly lengths: Lengths;
  /** Prompts of the busiest GPU. */
  readonly prompts: number;
  /** Responses sampled a prompt. */
  readonly responses: number;
  /** Responses decoded together on a GPU. */
  readonly concurrent: number;
  /** Longest response: one of a rollout is taken to reach it, and the last steps decode it almost alone. */
  readonly maxResponseTokens: number;
  /** How often a prompt's cache is read in a decoding step: once a response, or once a group. */
  readonly promptReads: "response" | "group";
  readonly bytesPerNumber: number;
}

/**
 * Seconds of prefill and decoding on the busiest GPU. A decoding step reads the weights once, each live response's own
 * cache, and the prompts'; a finished response is replaced at once, so there are tokens / concurrent steps and a tail.
 */
export function rolloutSeconds(work: RolloutWork): { prefill: number; decode: number } {
  const { model, gpus, calibration, lengths, prompts, responses, bytesPerNumber } = work;
  const { promptTokens, responseTokens } = lengths;
  const flopsPerS = effectiveFlops(gpus, calibration, bytesPerNumber);
  const group = [groupOf(model, lengths, responses)];
  const tokens = prompts * responses * responseTokens;
  const concurrent = Math.min(work.concurrent, prompts * responses);
  const steps = tokens / concurrent + (work.maxResponseTokens - responseTokens);
  const promptShare = work.promptReads === "group" ? 1 / responses : 1;
  const bytes =
    steps * numWeights(model).decoding * bytesPerNumber +
    tokens * (promptTokens * promptShare + responseTokens / 2) * kvBytesPerToken(model, bytesPerNumber);
  return {
    prefill: (prompts * totalFlops(prefillFlops(model, group))) / flopsPerS,
    decode: Math.max(
      bytes / (gpus.gpu.memoryBandwidth * calibration.decodeShare),
      (prompts * totalFlops(decodeFlops(model, group))) / flopsPerS,
    ),
  };
}
