// The published system's step, from the same constants as papo's: every response carries its prompt through every pass,
// the head runs on every row, a scoring pass is a forward and an update four, pictures are prepared for each response
// by one core a GPU, weights and optimizer wait in host memory between the phases. Source: the PAPO repository
// (verl/trainer/ray_trainer.py, verl/workers/actor/dp_actor.py, verl/workers/fsdp_workers.py).
import { needsAugLogProbs } from "../algorithm/loss-spec.ts";
import type { RunConfig } from "../config/schema.ts";
import type { Calibration } from "./calibration.ts";
import { addFlops, languageFlops, scaleFlops, totalFlops, visionPassFlops } from "./flops.ts";
import type { GroupShape, PassFlops } from "./flops.ts";
import type { GpuSet } from "./gpus.ts";
import { effectiveFlops, rolloutSeconds } from "./rollout-time.ts";
import { numWeights } from "./weights.ts";
import type { ModelSizes } from "./weights.ts";
import { groupOf } from "./workload.ts";
import type { Lengths } from "./workload.ts";

/** FLOP of a forward pass that shares nothing and forms logits of every row. */
export function everyRowFlops(model: ModelSizes, groups: readonly GroupShape[]): PassFlops {
  const sequence = (group: GroupShape, rows: number) => ({
    ...visionPassFlops(model.vision, group.grids),
    ...languageFlops(model, { rows, predicting: rows, pairs: (rows * (rows + 1)) / 2, headRows: rows }),
  });
  return addFlops(
    groups.flatMap((group) => group.responseLengths.map((length) => sequence(group, group.promptTokens + length))),
  );
}

/** Forward passes, or their worth, that the published system makes over a step's sequences. */
export function publishedPasses({ algorithm, aug }: RunConfig): {
  old: number;
  ref: number;
  aug: number;
  update: number;
} {
  const augmented = needsAugLogProbs(algorithm);
  return {
    old: 1,
    ref: algorithm.klRef.mode === "off" ? 0 : 1,
    aug: augmented ? 1 : 0, // also where the update runs the masked branch again
    // forward, recomputed forward, backward = 2; twice with the masked branch in it
    update: 4 * algorithm.epochs * (augmented && aug.grad === "recompute" ? 2 : 1),
  };
}

/** Responses that vLLM decodes together (max_num_seqs). */
const vllmSequences = 1024;

export interface StepWork {
  readonly model: ModelSizes;
  readonly run: RunConfig;
  readonly gpus: GpuSet;
  readonly lengths: Lengths;
  readonly calibration: Calibration;
}

/** Seconds of one step of the published system. */
export interface PublishedStep {
  readonly rollout: number;
  readonly images: number;
  readonly old: number;
  readonly ref: number;
  /** The masked forward alone, with the pictures that it prepares. */
  readonly aug: number;
  readonly update: number;
  readonly offload: number;
  readonly total: number;
}

/** Each way: the weights' shard is loaded for each of four phases, the optimizer's (3 numbers a weight) once. */
function offloadSeconds({ model, gpus, calibration }: StepWork): number {
  const { vision, language } = numWeights(model);
  return (2 * ((vision + language) * (4 * 2 + 3 * 2))) / gpus.count / calibration.hostBandwidth;
}

/** Predicts the published system's step for a run on these GPUs. */
export function publishedStep(work: StepWork): PublishedStep {
  const { model, run, gpus, lengths, calibration } = work;
  const prompts = run.data.rolloutBatchSize;
  const perGpu = prompts / gpus.count;
  const group = groupOf(model, lengths, run.rollout.n);
  const forward = scaleFlops(everyRowFlops(model, [group]), () => perGpu);
  const passSeconds = totalFlops(forward) / effectiveFlops(gpus, calibration, 2);
  const passes = publishedPasses(run);
  const pictures = group.grids.length * calibration.imageSeconds;
  // Originals once. A masked run draws the masks on one core, prepares each response's masked picture for the masked
  // forward, and prepares all of them again in the update, which does not use them unless it runs that branch.
  const [originals, masked] = [perGpu * run.rollout.n * pictures, passes.aug * perGpu * run.rollout.n * pictures];
  const drawing = passes.aug * prompts * pictures;
  const { prefill, decode } = rolloutSeconds({
    ...{ model, gpus, calibration, lengths, prompts: perGpu, responses: run.rollout.n },
    ...{ concurrent: vllmSequences, maxResponseTokens: run.data.maxResponseLength },
    ...{ promptReads: "response" as const, bytesPerNumber: 2 },
  });
  const seconds = {
    rollout: prefill + decode,
    images: originals + masked + drawing,
    old: passes.old * passSeconds,
    ref: passes.ref * passSeconds,
    aug: passes.aug * passSeconds + masked,
    update: passes.update * passSeconds,
    offload: offloadSeconds(work),
  };
  return { ...seconds, total: Object.values(seconds).reduce((sum, value) => sum + value, 0) };
}
