// Memory of one GPU by component and phase, in papo's layout: weights whole on every GPU; gradients whole, in float32
// (native/model/parameter_store.h); optimizer state and the frozen reference in shards, one a GPU (ZeRO-1), the
// reference gathered a layer at a time. A phase must hold what it uses; what fits decides micro-batch and cache.
import { needsAugLogProbs } from "../algorithm/loss-spec.ts";
import type { RunConfig } from "../config/schema.ts";
import type { Recomputed, UpdateMemory, UpdateWork } from "../native/binding.ts";
import { loadNative } from "../native/load.ts";
import type { GroupShape } from "./flops.ts";
import type { GpuSet } from "./gpus.ts";
import { kvBytesPerToken } from "./rollout-time.ts";
import { headProducts } from "./step-flops.ts";
import type { RecomputedShare } from "./step-flops.ts";
import { numWeights } from "./weights.ts";
import type { ModelSizes } from "./weights.ts";

export const phases = ["rollout", "scoring", "update"] as const;
export type Phase = (typeof phases)[number];

/** Bytes of one component in each phase, on one GPU. */
export interface MemoryPart {
  readonly name: string;
  readonly bytes: Readonly<Record<Phase, number>>;
}

export interface MemoryPlan {
  readonly parts: readonly MemoryPart[];
  readonly totals: Readonly<Record<Phase, number>>;
  readonly capacityBytes: number;
  /** Bytes that the fullest phase lacks; 0: the run fits. */
  readonly shortBytes: number;
  /** Largest optim.microBatchTokens that the update has memory for; 0: not even without one. */
  readonly largestMicroBatchTokens: number;
  /** Tokens of keys and values that the rollout has memory for. */
  readonly kvTokens: number;
  /** Responses decoded together, each with room to grow to data.maxResponseLength; <= rollout.maxConcurrentResponses. */
  readonly concurrentResponses: number;
  /** What the update runs again in its backward pass. */
  readonly recomputed: RecomputedShare;
}

export interface MemoryWork {
  readonly model: ModelSizes;
  readonly run: RunConfig;
  readonly gpus: GpuSet;
  readonly group: GroupShape;
}

/** CUDA context, cuBLAS and NCCL buffers, and what the allocator cannot use. An assumption. */
const workspaceBytes = 2e9;

/** Of image embeddings on one GPU (EmbedsBudget in native/image/embeds_cache.h). */
const keptEmbedsLimit = 2 ** 30;

export function bytesPerNumber({ model }: RunConfig): number {
  return model.dtype === "bfloat16" ? 2 : 4;
}

/** Bytes of optimizer state a trained weight (native/optim/adamw.h). */
function optimizerBytes({ optim, model }: RunConfig): number {
  const narrow = model.dtype === "bfloat16";
  return optim.strategy === "adamw" ? 8 + (narrow ? 4 : 0) : 4 + (narrow ? 2 : 0);
}

/** Patches for each row of a packed pass over groups of this shape. */
function patchesPerRow({ promptTokens, grids, responseLengths }: GroupShape): number {
  const patches = grids.reduce((sum, [time, height, width]) => sum + time * height * width, 0);
  return patches / (promptTokens + responseLengths.reduce((sum, length) => sum + length, 0));
}

/** Which of the layers and vision blocks run again. */
const everyLayer = ({ text, vision }: ModelSizes): Recomputed => ({ layers: text.numLayers, blocks: vision.depth });
const noLayer: Recomputed = { layers: 0, blocks: 0 };

/** The native core's model of a micro-batch of so many rows, its pictures' share included. */
function microBatchMemory({ model, run, group }: MemoryWork, rows: number, more: Partial<UpdateWork>): UpdateMemory {
  const { promptTokens, responseLengths } = group;
  const responses = responseLengths.reduce((sum, length) => sum + length, 0);
  const head = Math.round((rows * responses) / (promptTokens + responses));
  const { algorithm, aug } = run;
  const trainsMasked = needsAugLogProbs(algorithm) && aug.grad === "recompute";
  return loadNative().updateMemory(model, {
    dtype: run.model.dtype,
    device: "cuda",
    freezeVisionTower: run.model.freezeVisionTower,
    formsGradient: headProducts(algorithm, trainsMasked) === 3,
    rows,
    patches: Math.round(rows * patchesPerRow(group)),
    predicting: head,
    head,
    largestPass: trainsMasked ? 0.5 : 1,
    recomputed: noLayer,
    available: 0,
    ...more,
  });
}

/** What runs again: by the setting, or the least that fits, all where not even that does. */
function recomputedOf(work: MemoryWork, rows: number, available: number): Recomputed {
  const { activationCheckpoint } = work.run.model;
  if (activationCheckpoint === false) return noLayer;
  const all = everyLayer(work.model);
  return activationCheckpoint === true ? all : (microBatchMemory(work, rows, { available }).fewest ?? all);
}

/** The most rows that fit when as much runs again as the setting allows. */
function largestRows(work: MemoryWork, available: number): number {
  const recomputed = work.run.model.activationCheckpoint === false ? noLayer : everyLayer(work.model);
  const fits = (rows: number) => microBatchMemory(work, rows, { recomputed }).update <= available;
  let [low, high] = [0, 1];
  while (fits(high)) [low, high] = [high, 2 * high];
  while (low + 1 < high) {
    const middle = Math.floor((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}

const everywhere = (bytes: number) => ({ rollout: bytes, scoring: bytes, update: bytes });

function residentParts({ model, run, gpus }: MemoryWork): MemoryPart[] {
  const { vision, language } = numWeights(model);
  const width = bytesPerNumber(run);
  const trained = language + (run.model.freezeVisionTower ? 0 : vision);
  const whole = width * (vision + language);
  const reference = run.algorithm.klRef.mode === "off" ? 0 : whole / gpus.count;
  return [
    { name: "weights", bytes: everywhere(whole) },
    { name: "reference (a shard)", bytes: everywhere(reference) },
    { name: "gradients, float32", bytes: everywhere(4 * trained) },
    { name: `${run.optim.strategy} state (a shard)`, bytes: everywhere((optimizerBytes(run) * trained) / gpus.count) },
    { name: "workspace", bytes: everywhere(workspaceBytes) },
  ];
}

/**
 * Embeddings that are kept from pass to pass (native/image/embeds_cache.h): of a GPU's pictures of a step, in the update
 * only where the tower is frozen, and then of trained masked pictures as well.
 */
function keptEmbeds({ model, run, gpus, group }: MemoryWork): Record<Phase, number> {
  const { text, vision } = model;
  const patches = group.grids.reduce((sum, [time, height, width]) => sum + time * height * width, 0);
  const bytes = (patches / vision.spatialMergeSize ** 2) * text.hiddenSize * bytesPerNumber(run);
  const plain = bytes * Math.ceil(run.data.rolloutBatchSize / gpus.count);
  const trainsMasked = needsAugLogProbs(run.algorithm) && run.aug.grad === "recompute";
  const masked = trainsMasked ? plain * (run.aug.per === "response" ? run.rollout.n : 1) : 0;
  const kept = (wanted: number) => Math.min(keptEmbedsLimit, wanted);
  return {
    rollout: kept(plain),
    scoring: kept(plain),
    update: run.model.freezeVisionTower ? kept(plain + masked) : 0,
  };
}

/** Rows of a micro-batch: the setting, but a response's own at least, and no more than a GPU's share of the groups. */
function microBatchRows({ run, gpus, group }: MemoryWork): number {
  const perGroup = group.promptTokens + group.responseLengths.reduce((sum, length) => sum + length, 0);
  const shortest = group.promptTokens + Math.max(...group.responseLengths);
  const all = perGroup * Math.ceil(run.optim.globalBatchSize / gpus.count);
  return Math.min(Math.max(run.optim.microBatchTokens, shortest), all);
}

function sumOf(parts: readonly MemoryPart[], phase: Phase): number {
  return parts.reduce((sum, { bytes }) => sum + bytes[phase], 0);
}

/** Memory of one GPU. */
export function memoryPlan(work: MemoryWork): MemoryPlan {
  const { model, run, gpus, group } = work;
  const { rollout, data } = run;
  const width = bytesPerNumber(run);
  const rows = microBatchRows(work);
  const logits = rollout.maxConcurrentResponses * model.text.vocabSize * 4;
  const fixed = [
    ...residentParts(work),
    { name: "logits", bytes: { rollout: logits, scoring: 0, update: 0 } },
    { name: "image embeddings", bytes: keptEmbeds(work) },
  ];
  const capacityBytes = gpus.gpu.memoryBytes;
  const free = (phase: Phase) => Math.max(0, capacityBytes - sumOf(fixed, phase));
  const kvBytes = kvBytesPerToken(model, width);
  const kvTokens = Math.floor(free("rollout") / kvBytes);
  const perResponse = group.promptTokens / rollout.n + data.maxResponseLength;
  const needed = group.promptTokens + data.maxResponseLength; // one response
  const onGpu = Math.ceil(data.rolloutBatchSize / gpus.count) * rollout.n;
  const wanted = Math.min(rollout.maxConcurrentResponses, onGpu);
  const concurrentResponses = kvTokens < needed ? 0 : Math.max(1, Math.min(wanted, Math.floor(kvTokens / perResponse)));
  const kvCache = kvBytes * Math.max(needed, concurrentResponses * perResponse);
  const recomputed = recomputedOf(work, rows, free("update"));
  const { update, scoring } = microBatchMemory(work, rows, { recomputed });
  const { layers, blocks } = recomputed;
  const again = layers + blocks === 0 ? "" : `, ${layers} layers and ${blocks} vision blocks recomputed`;
  const parts = [
    ...fixed,
    { name: "KV cache", bytes: { rollout: kvCache, scoring: 0, update: 0 } },
    {
      name: `activations of ${rows} tokens${again}`,
      bytes: { rollout: 0, scoring, update },
    },
  ];
  const totals = Object.fromEntries(phases.map((phase) => [phase, sumOf(parts, phase)])) as Record<Phase, number>;
  return {
    ...{ parts, totals, capacityBytes, kvTokens, concurrentResponses },
    shortBytes: Math.max(0, ...phases.map((phase) => totals[phase] - capacityBytes)),
    largestMicroBatchTokens: largestRows(work, free("update")),
    recomputed: { layers: layers / model.text.numLayers, blocks: blocks / model.vision.depth },
  };
}
