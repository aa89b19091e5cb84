// papo's step in seconds, from the constants that calibration.ts has of the published system: the same share of the
// peak, the same decoding, the same core seconds a picture. What differs is the work.
import { advantageSamples } from "./run-size.ts";
import { effectiveFlops, rolloutSeconds } from "./rollout-time.ts";
import { totalFlops } from "./flops.ts";
import type { StepWork } from "./published.ts";
import { papoPasses, stepFlops } from "./step-flops.ts";
import type { RecomputedShare, StepFlops } from "./step-flops.ts";
import { bytesPerNumber } from "./memory.ts";
import { numWeights } from "./weights.ts";
import { groupOf } from "./workload.ts";

/** Seconds of each phase of one step. */
export interface StepSeconds {
  readonly images: number;
  readonly prefill: number;
  readonly decode: number;
  readonly old: number;
  readonly ref: number;
  readonly aug: number;
  readonly update: number;
  /** Optimizer steps, with the exchange of gradients and weights. */
  readonly optimizer: number;
  readonly total: number;
}

export interface StepPrediction {
  readonly seconds: StepSeconds;
  /** FLOP of each phase, over all GPUs. */
  readonly flops: Readonly<Record<keyof StepFlops, number>>;
}

/** Share of a step's groups on the busiest GPU: each optimizer step's groups are dealt out whole. */
function busiestShare({ run, gpus }: StepWork): number {
  const perStep = Math.min(run.optim.globalBatchSize, run.data.rolloutBatchSize);
  return Math.ceil(perStep / gpus.count) / perStep;
}

/** A gathered layer, every layer once for each micro-batch; not overlapped with arithmetic. */
function gatherSeconds({ model, run, gpus, lengths }: StepWork, share: number): number {
  const { vision, language } = numWeights(model);
  const tokens = run.data.rolloutBatchSize * share * (lengths.promptTokens + run.rollout.n * lengths.responseTokens);
  const microBatches = Math.ceil(tokens / run.optim.microBatchTokens);
  const bytes = bytesPerNumber(run) * (vision + language) * (1 - 1 / gpus.count);
  return (microBatches * bytes) / gpus.gpu.linkBandwidth;
}

/** Reduce-scatter of float32 gradients, AdamW on the own shard, all-gather of weights. */
function optimizerSeconds({ model, run, gpus }: StepWork): number {
  const { vision, language } = numWeights(model);
  const trained = language + (run.model.freezeVisionTower ? 0 : vision);
  const steps = Math.ceil(run.data.rolloutBatchSize / run.optim.globalBatchSize) * run.algorithm.epochs;
  const exchanged = trained * (4 + bytesPerNumber(run)) * (1 - 1 / gpus.count);
  // Gradient read twice (norm, move) and zeroed; state and weights read and written: about 40 bytes a weight.
  const moved = (trained * 40) / gpus.count;
  return steps * (exchanged / gpus.gpu.linkBandwidth + moved / gpus.gpu.memoryBandwidth);
}

/** What a step's memory allows (memory.ts). */
export interface StepRoom {
  /** Responses decoded together on a GPU. */
  readonly concurrentResponses: number;
  readonly recomputed: RecomputedShare;
}

/** Predicts papo's step. */
export function papoStep(work: StepWork, { concurrentResponses, recomputed }: StepRoom): StepPrediction {
  const { model, run, gpus, lengths, calibration } = work;
  const { rollout, data } = run;
  const group = groupOf(model, lengths, rollout.n);
  const groups = Array.from({ length: data.rolloutBatchSize }, () => group);
  const passes = papoPasses(run, groups.length, recomputed);
  const flops = stepFlops(model, groups, passes);
  const share = busiestShare(work);
  const width = bytesPerNumber(run);
  const passSeconds = (phase: keyof StepFlops) =>
    (totalFlops(flops[phase]) * share) / effectiveFlops(gpus, calibration, width);
  // Each picture is prepared once a step; its masked copy once, or once a response.
  const masked = passes.aug === "none" ? 0 : passes.augPerResponse ? rollout.n : 1;
  const prompts = data.rolloutBatchSize * share;
  const sampled = rolloutSeconds({
    ...{ model, gpus, calibration, lengths, prompts, concurrent: concurrentResponses, bytesPerNumber: width },
    ...{ responses: rollout.n + advantageSamples(run), maxResponseTokens: data.maxResponseLength },
    promptReads: "group",
  });
  const seconds = {
    images: prompts * group.grids.length * (1 + masked) * calibration.imageSeconds,
    ...sampled,
    old: passSeconds("old"),
    ref: passSeconds("ref") + (passes.ref !== "none" ? gatherSeconds(work, share) : 0),
    aug: passSeconds("aug"),
    update: passSeconds("update"),
    optimizer: optimizerSeconds(work),
  };
  return {
    seconds: { ...seconds, total: Object.values(seconds).reduce((sum, value) => sum + value, 0) },
    flops: {
      ...{ prefill: totalFlops(flops.prefill), decode: totalFlops(flops.decode) },
      ...{ old: totalFlops(flops.old), ref: totalFlops(flops.ref), aug: totalFlops(flops.aug) },
      update: totalFlops(flops.update),
    },
  };
}
