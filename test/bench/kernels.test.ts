import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readKernelUsage } from "../../lib/bench/kernel-usage.ts";
import { kernelRooflines, roofline, rooflineGpus } from "../../lib/bench/kernels.ts";
import { readBudgets } from "../../scripts/check-kernels.mjs";
import { testing } from "../support/objective.ts";
import { tempFolder } from "../support/temp.ts";

const rows = kernelRooflines("h100");
const of = (model: string, launcher: string) => rows.find((row) => row.model === model && row.launcher === launcher);

describe("the costs of the kernels at the recipes' sizes", () => {
  test("are there for every launcher of both sizes, and positive", () => {
    expect(new Set(rows.map(({ launcher }) => launcher)).size * 2).toBe(rows.length);
    expect(rows.length).toBeGreaterThan(30);
    for (const { bytes, flops, microseconds } of rows) {
      expect(bytes).toBeGreaterThan(0);
      expect(flops).toBeGreaterThanOrEqual(0);
      expect(microseconds).toBeGreaterThan(0);
    }
  });

  test("are the hand-worked ones of the optimizer: 3,754,622,976 weights over 2 GPUs", () => {
    const shard = 3_754_622_976 / 2;
    expect(of("3B", "gradient_norm")?.bytes).toBeCloseTo(4 * shard, -6); // a float32 gradient is read once
    // Weight, both moments and compensation of 2 bytes and a gradient of 4, each read and written.
    expect(of("3B", "adamw")?.bytes).toBeCloseTo(24 * shard, -6);
    // 45.06 GB at 3.35 TB/s
    expect(of("3B", "adamw")?.microseconds).toBeCloseTo(13_449, -1);
  });

  test("of a chunk of logits are those of reading it once: 2,048 x 151,936 bfloat16", () => {
    const chunk = 2048 * 151_936 * 2;
    expect((of("3B", "token_log_probs")?.bytes ?? 0) / chunk).toBeCloseTo(1, 3);
    expect((of("3B", "token_log_probs_backward_")?.bytes ?? 0) / chunk).toBeCloseTo(2, 3); // and written
  });
});

test("costs grow with the rows", () => {
  const sizes = {
    hidden: 64,
    intermediate: 96,
    heads: 4,
    kvHeads: 2,
    headSize: 64,
    vocab: 1000,
    gridRows: 4,
    gridCols: 6,
  };
  const more = { weights: 1000, groupRows: 5, promptTokens: 100, ownTokens: 10 };
  const at = (scale: number) =>
    testing.kernelCosts({
      ...sizes,
      ...more,
      rows: 100 * scale,
      headRows: 16 * scale,
      tokens: 500 * scale,
      decodeRows: 10 * scale,
    });
  const [once, twice] = [at(1), at(2)];
  const grows = ["rms_norm", "rope", "swiglu", "token_log_probs", "objective", "decode_attention", "sample_tokens"];
  for (const [index, { launcher, bytes }] of once.entries())
    if (grows.includes(launcher)) expect((twice[index]?.bytes ?? 0) / bytes).toBeGreaterThan(1.5);
});

test("each launcher has a kernel in the table of budgets, and each kernel there a launcher", () => {
  const budgeted = new Set(Object.values(readBudgets()).map(({ launcher }) => launcher));
  expect([...budgeted].sort()).toEqual([...new Set(rows.map(({ launcher }) => launcher))].sort());
});

test("what a build's kernels take stands beside their launcher, for the GPU's architecture alone", () => {
  const usage = [80, 90].map((sm) => ({
    ...{ name: "adamw/adamw_kernel", launcher: "adamw", sm, threads: 256 },
    ...{ registers: 60 + sm / 10, sharedBytes: 0, blocks: 3, occupancy: 0.375 },
  }));
  const kernelsOf = (gpu: string) =>
    kernelRooflines(gpu, usage).filter(({ kernels }) => kernels.length > 0 && kernels[0]?.launcher === "adamw");
  expect(kernelsOf("h100").map(({ launcher, kernels }) => [launcher, kernels[0]?.registers])).toEqual([
    ["adamw", 69],
    ["adamw", 69],
  ]);
  expect(kernelsOf("a100")[0]?.kernels).toEqual([usage[0]]); // short for a100-80
  expect(kernelsOf("b200")).toEqual([]);
});

test("the table of a CUDA build is read, and an absent or a broken one is empty", () => {
  const root = tempFolder();
  expect(readKernelUsage(root)).toEqual([]);
  mkdirSync(join(root, "build-cuda"));
  writeFileSync(join(root, "build-cuda", "kernels.json"), '[{"name": "a/a_kernel", "sm": 90}]');
  expect(readKernelUsage(root)).toEqual([{ name: "a/a_kernel", sm: 90 }]);
  writeFileSync(join(root, "build-cuda", "kernels.json"), "[{");
  expect(readKernelUsage(root)).toEqual([]);
});

test("a kernel is bound by the longer of moving and computing", () => {
  const gpu = { memoryBandwidth: 100, peakFlops: 1000 };
  const cost = { launcher: "x", bytes: 50, flops: 100, tensorCores: false };
  expect(roofline(cost, gpu, 10)).toEqual({ microseconds: 1e7, bound: "compute" }); // 10 s of 0.5 s
  expect(roofline({ ...cost, tensorCores: true }, gpu, 10)).toEqual({ microseconds: 5e5, bound: "memory" });
});

test("another GPU is an error that names those that are known", () => {
  expect(() => kernelRooflines("gtx")).toThrow(rooflineGpus.join(", "));
});
