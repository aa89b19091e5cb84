// Memory of one GPU by component and phase, in papo's layout: weights whole on every GPU; gradients whole, in float32
// (native/model/parameter_store.h); optimizer state and the frozen reference in shards, one a GPU (ZeRO-1), the
// reference gathered a layer at a time. A phase must hold what it uses; what fits decides micro-batch and cache.
import { needsAugLogProbs } from "../algorithm/loss-spec.ts";
import type { RunConfig } from "../config/schema.ts";
import type { GroupShape } from "./flops.ts";
import type { GpuSet } from "./gpus.ts";
import { kvBytesPerToken } from "./rollout-time.ts";
import { numWeights, patchNumel } from "./weights.ts";
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
}

export interface MemoryWork {
  readonly model: ModelSizes;
  readonly run: RunConfig;
  readonly gpus: GpuSet;
  readonly group: GroupShape;
}

/** CUDA context, cuBLAS and NCCL buffers, and what the allocator cannot use. An assumption. */
const workspaceBytes = 2e9;
/** Of float32 logits at a time (HeadOptions in native/ops/token_log_probs.h). */
const logitsChunkBytes = 128 * 2 ** 20;

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

/** Numbers that one decoder layer stores for one row: inputs and outputs of its products, norms and attention. */
function layerNumbers({ text }: ModelSizes): number {
  const [q, kv] = [text.numHeads * text.headSize, text.numKvHeads * text.headSize];
  return 4 * text.hiddenSize + (q + 2 * kv) + q + 3 * text.intermediateSize;
}

/** The same of one vision block for one patch. */
function blockNumbers({ vision }: ModelSizes): number {
  return 8 * vision.hiddenSize + 3 * vision.intermediateSize;
}

/** Numbers a row and a patch keep until the backward pass: all of each layer, or its input and one layer's at a time. */
function storedNumbers(model: ModelSizes, { model: settings }: RunConfig): { row: number; patch: number } {
  const { text, vision } = model;
  const [layer, block] = [layerNumbers(model), blockNumbers(model)];
  const recomputed = settings.activationCheckpoint;
  const row = recomputed ? text.numLayers * text.hiddenSize + layer : text.numLayers * layer;
  const patch = recomputed ? vision.depth * vision.hiddenSize + block : vision.depth * block;
  return { row, patch: patchNumel(vision) + (settings.freezeVisionTower ? block : patch) };
}

/** Patches for each row of a packed pass over groups of this shape. */
function patchesPerRow({ promptTokens, grids, responseLengths }: GroupShape): number {
  const patches = grids.reduce((sum, [time, height, width]) => sum + time * height * width, 0);
  return patches / (promptTokens + responseLengths.reduce((sum, length) => sum + length, 0));
}

/** Activation bytes for each row of a micro-batch, its pictures' share included. */
function activationBytes({ model, run, group }: MemoryWork): { scoring: number; update: number } {
  const { row, patch } = storedNumbers(model, run);
  const patches = patchesPerRow(group);
  const [text, width] = [layerNumbers(model) + 2 * model.text.hiddenSize, bytesPerNumber(run)];
  const tower = blockNumbers(model) + patchNumel(model.vision) + 2 * model.vision.hiddenSize;
  // Tower and decoder do not run at the same time without a gradient.
  return { scoring: width * Math.max(text, patches * tower), update: width * (row + patches * patch) };
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
  const activations = activationBytes(work);
  const rows = microBatchRows(work);
  // In the update a chunk's logits, their exponentials, and the gradient in both widths; else the logits in both widths.
  const logits = {
    rollout: rollout.maxConcurrentResponses * model.text.vocabSize * 4,
    scoring: 1.5 * logitsChunkBytes,
    update: 3.5 * logitsChunkBytes,
  };
  const fixed = [
    ...residentParts(work),
    { name: "logits chunk", bytes: logits },
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
  const parts = [
    ...fixed,
    { name: "KV cache", bytes: { rollout: kvCache, scoring: 0, update: 0 } },
    {
      name: `activations of ${rows} tokens`,
      bytes: { rollout: 0, scoring: rows * activations.scoring, update: rows * activations.update },
    },
  ];
  const totals = Object.fromEntries(phases.map((phase) => [phase, sumOf(parts, phase)])) as Record<Phase, number>;
  return {
    ...{ parts, totals, capacityBytes, kvTokens, concurrentResponses },
    shortBytes: Math.max(0, ...phases.map((phase) => totals[phase] - capacityBytes)),
    largestMicroBatchTokens: Math.floor(free("update") / activations.update),
  };
}
