// What the GPU kernels cost on paper: bytes and FLOPs are the launchers' own (native/kernels), sizes are the published
// recipes', and the roofline takes the longer of moving and computing. Nothing here was measured on a GPU.
import { ConfigError } from "../errors.ts";
import type { KernelCost, NativeTesting } from "../native/binding.ts";
import { loadNative } from "../native/load.ts";
import { gpus, type Gpu } from "../plan/gpus.ts";
import { type KernelUsage, readKernelUsage } from "./kernel-usage.ts";
import { publishedModelSizes } from "../plan/model-sizes.ts";
import { numWeights } from "../plan/weights.ts";

/** By `papo plan`'s name: float32 FLOP/s outside tensor cores, from NVIDIA's data sheets (B200: HGX), and sm_ number. */
const vectors: Readonly<Record<string, { readonly flops: number; readonly sm: number }>> = {
  h100: { flops: 67e12, sm: 90 },
  h200: { flops: 67e12, sm: 90 },
  "a100-80": { flops: 19.5e12, sm: 80 },
  b200: { flops: 75e12, sm: 100 },
};

/** Names of GPUs that a roofline can be drawn for; `a100` is short for `a100-80`. */
export const rooflineGpus: readonly string[] = Object.keys(vectors);

export interface KernelRoofline extends KernelCost {
  /** 3B or 7B. */
  readonly model: string;
  readonly microseconds: number;
  readonly bound: "memory" | "compute";
  /** What the launcher's kernels take of an SM; empty where no CUDA build is. */
  readonly kernels: readonly KernelUsage[];
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
 * @param usage of the kernels of a CUDA build
 * @throws {ConfigError} for a GPU without known peaks, and where the native module has no testing exports
 */
export function kernelRooflines(gpuName: string, usage = readKernelUsage()): KernelRoofline[] {
  const gpu = gpus.find(({ name }) => name === (gpuName === "a100" ? "a100-80" : gpuName));
  const vector = vectors[gpu?.name ?? ""];
  if (gpu === undefined || vector === undefined)
    throw new ConfigError("--gpu", `expected one of ${rooflineGpus.join(", ")}; got ${gpuName}`);
  if (!loadNative().runtimeInfo().testing)
    throw new ConfigError("bench kernels", "expected a native module built with PAPO_TESTING, which counts the costs");
  const native = loadNative() as unknown as NativeTesting;
  return (["3B", "7B"] as const).flatMap((model) =>
    native.kernelCosts(sizesOf(model)).map((cost) => {
      const kernels = usage.filter(({ launcher, sm }) => launcher === cost.launcher && sm === vector.sm);
      return { ...cost, model, ...roofline(cost, gpu, vector.flops), kernels };
    }),
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
