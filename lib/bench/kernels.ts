// What the GPU kernels cost on paper: bytes and FLOPs are the launchers' own (native/kernels), sizes are the published
// recipes', and the roofline takes the longer of moving and computing. Nothing here was measured on a GPU.
import { ConfigError } from "../errors.ts";
import type { KernelCost, NativeTesting } from "../native/binding.ts";
import { loadNative } from "../native/load.ts";
import { gpus, type Gpu } from "../plan/gpus.ts";
import { publishedModelSizes } from "../plan/model-sizes.ts";
import { numWeights } from "../plan/weights.ts";

/** Float32 FLOP/s outside tensor cores, by `papo plan`'s name; source: NVIDIA's data sheets (B200: HGX). */
const vectorFlops: Readonly<Record<string, number>> = { h100: 67e12, h200: 67e12, "a100-80": 19.5e12, b200: 75e12 };

/** Names of GPUs that a roofline can be drawn for. */
export const rooflineGpus: readonly string[] = Object.keys(vectorFlops);

export interface KernelRoofline extends KernelCost {
  /** 3B or 7B. */
  readonly model: string;
  readonly microseconds: number;
  readonly bound: "memory" | "compute";
}

/**
 * A recipe's sizes: one group of a prompt of 1,200 tokens, 1,000 of them a picture's, and 5 responses of 500; a chunk of
 * logits of 2,048 rows; an optimizer shard; a decode step of the batch that fills the GPU (spec of the published runs).
 */
function sizesOf(model: "3B" | "7B"): Record<string, number> {
  const sizes = publishedModelSizes(`Qwen2.5-VL-${model}`);
  const { text } = sizes;
  const { vision, language } = numWeights(sizes);
  const [numGpus, decodeRows] = model === "3B" ? [2, 960] : [4, 480];
  return {
    rows: 1200 + 5 * 499,
    hidden: text.hiddenSize,
    intermediate: text.intermediateSize,
    heads: text.numHeads,
    kvHeads: text.numKvHeads,
    headSize: text.headSize,
    vocab: text.vocabSize,
    headRows: 2048,
    tokens: 5 * 500,
    gridRows: 80, // 80 x 50 patches are 1,000 image tokens
    gridCols: 50,
    weights: Math.ceil((vision + language) / numGpus),
    decodeRows,
    groupRows: 5,
    promptTokens: 1200,
    ownTokens: 250,
  };
}

/**
 * The kernels of both published sizes on one GPU.
 * @throws {ConfigError} for a GPU without known peaks, and where the native module has no testing exports
 */
export function kernelRooflines(gpuName: string): KernelRoofline[] {
  const gpu = gpus.find(({ name }) => name === gpuName);
  const vector = vectorFlops[gpuName];
  if (gpu === undefined || vector === undefined)
    throw new ConfigError("--gpu", `expected one of ${rooflineGpus.join(", ")}; got ${gpuName}`);
  if (!loadNative().runtimeInfo().testing)
    throw new ConfigError("bench kernels", "expected a native module built with PAPO_TESTING, which counts the costs");
  const native = loadNative() as unknown as NativeTesting;
  return (["3B", "7B"] as const).flatMap((model) =>
    native.kernelCosts(sizesOf(model)).map((cost) => ({ ...cost, model, ...roofline(cost, gpu, vector) })),
  );
}

/** Microseconds of the longer of moving and computing. */
export function roofline(
  { bytes, flops, tensorCores }: KernelCost,
  { memoryBandwidth, peakFlops }: Pick<Gpu, "memoryBandwidth" | "peakFlops">,
  vector: number,
): Pick<KernelRoofline, "microseconds" | "bound"> {
  const [moving, computing] = [bytes / memoryBandwidth, flops / (tensorCores ? peakFlops : vector)];
  return { microseconds: 1e6 * Math.max(moving, computing), bound: moving >= computing ? "memory" : "compute" };
}
