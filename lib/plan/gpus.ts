// What the GPUs that papo may run on offer, by the names of `papo plan --gpus` and by those that CUDA reports.
import { ConfigError } from "../errors.ts";

/** One GPU. */
export interface Gpu {
  readonly name: string;
  /** Bytes, 1 GB = 1e9, as advertised. CUDA reports a few per cent more on most cards, which is left as a reserve. */
  readonly memoryBytes: number;
  /** Dense bfloat16 FLOP/s with float32 accumulation; NVIDIA's data sheets print twice that, "with sparsity". */
  readonly peakFlops: number;
  /** Bytes/s of the memory. */
  readonly memoryBandwidth: number;
  /** Bytes/s in one direction to the other GPUs of the machine, as reached: about 0.8 of NVLink's, or PCIe's. */
  readonly linkBandwidth: number;
  /** Whole names, because "H20" is a part of "H200". */
  readonly deviceNames: readonly string[];
}

/** PCIe 4.0 x16 has 32 GB/s a direction. */
const pcie = 25e9;

type Row = readonly [
  name: string,
  gb: number,
  tflops: number,
  gbPerS: number,
  link: number,
  devices: readonly string[],
];

/** Source of each row: NVIDIA's data sheet of the card. PCIe cards of the same name differ in memory bandwidth. */
const rows: readonly Row[] = [
  ["h100", 80, 989, 3350, 350e9, ["NVIDIA H100 80GB HBM3"]], // SXM5
  ["h200", 141, 989, 4800, 350e9, ["NVIDIA H200"]], // SXM5
  ["h800", 80, 989, 3350, 160e9, ["NVIDIA H800"]],
  ["h20", 96, 148, 4000, 350e9, ["NVIDIA H20"]],
  ["b200", 180, 2250, 8000, 700e9, ["NVIDIA B200"]], // HGX
  ["a100-80", 80, 312, 2039, 240e9, ["NVIDIA A100-SXM4-80GB", "NVIDIA A100 80GB PCIe", "NVIDIA A800-SXM4-80GB"]],
  ["a100-40", 40, 312, 1555, 240e9, ["NVIDIA A100-SXM4-40GB"]],
  ["l40s", 48, 362.05, 864, pcie, ["NVIDIA L40S"]],
  ["l40", 48, 181.05, 864, pcie, ["NVIDIA L40"]],
  ["l20", 48, 119.5, 864, pcie, ["NVIDIA L20"]],
  ["rtx5090", 32, 209.5, 1792, 50e9, ["NVIDIA GeForce RTX 5090"]], // PCIe 5.0
  ["rtx4090", 24, 165.2, 1008, pcie, ["NVIDIA GeForce RTX 4090"]],
  ["rtx3090", 24, 71, 936, pcie, ["NVIDIA GeForce RTX 3090"]],
];

/** Every known GPU. */
export const gpus: readonly Gpu[] = rows.map(([name, gb, tflops, gbPerS, linkBandwidth, deviceNames]) => ({
  ...{ name, linkBandwidth, deviceNames },
  ...{ memoryBytes: gb * 1e9, peakFlops: tflops * 1e12, memoryBandwidth: gbPerS * 1e9 },
}));

const peakByDevice = new Map(
  gpus.flatMap(({ deviceNames, peakFlops }) => deviceNames.map((name) => [name, peakFlops])),
);

/** Dense bfloat16 peak in FLOP/s by the whole device name; undefined where it is not known, as of every CPU. */
export function peakFlopsOf(deviceName: string): number | undefined {
  return peakByDevice.get(deviceName);
}

/** GPUs of one kind, in one machine. */
export interface GpuSet {
  readonly gpu: Gpu;
  readonly count: number;
}

/**
 * Reads `2xh100`, or `h100` for one.
 * @throws {ConfigError} with the known names
 */
export function parseGpus(text: string): GpuSet {
  const match = /^(?:(\d+) *x *)?([a-z][\w-]*)$/iu.exec(text.trim());
  const gpu = gpus.find(({ name }) => name === match?.[2]?.toLowerCase());
  if (!gpu) {
    const names = gpus.map(({ name }) => name).join(", ");
    throw new ConfigError("--gpus", `expected COUNTxNAME with a name of ${names}; got ${JSON.stringify(text)}`);
  }
  const count = Number(match?.[1] ?? 1);
  if (count < 1 || count > 1024) throw new ConfigError("--gpus", `expected 1 to 1024 GPUs, got ${count}`);
  return { gpu, count };
}
