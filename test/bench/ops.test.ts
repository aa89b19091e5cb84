import { expect, onTestFinished, test, vi } from "vitest";
import { opCases } from "../../lib/bench/op-cases.ts";
import { benchOps, type OpsCommandOptions } from "../../lib/bench/ops-command.ts";
import { benchOp, timing } from "../../lib/bench/ops.ts";
import type { OpSpec } from "../../lib/native/binding.ts";
import { testing } from "../support/objective.ts";

const ceilings = { productRate: 100e9, memoryRate: 10e9 };
const spec = (sizes: Record<string, number>, groups?: OpSpec["groups"]): OpSpec => ({
  ...{ dtype: "float32", seed: 7, sizes: { trained: 1, ...sizes } },
  ...(groups ? { groups } : {}),
});

// What the tests of single ops leave out, at odd sizes.
test.each([
  ["head_gradient", spec({ rows: 1, width: 7, vocab: 37 })],
  ["head_gradient", spec({ rows: 37, width: 7, vocab: 111 })],
  ["adamw", spec({ weights: 1 })],
  ["adamw", spec({ weights: 100_003 })],
  ["sampler", spec({ rows: 37, vocab: 111, topP: 0.9 })],
  ["sampler", spec({ rows: 7, vocab: 1, topP: 1 })],
  ["decode_attention", spec({ heads: 4, kvHeads: 2, headSize: 24 }, [[1, 1]])],
  [
    "decode_attention",
    spec({ heads: 7, kvHeads: 1, headSize: 16 }, [
      [37, 1, 65, 7],
      [3, 111],
    ]),
  ],
] as const)("%s is as composed %j", async (op, of) => {
  const differences = Object.values(await testing.compareOp(op, of));
  expect(differences.length).toBeGreaterThan(0);
  expect(Math.max(...differences)).toBeLessThan(1e-5);
});

test("an op's arithmetic and bytes are those of its sizes, forward and backward", async () => {
  const { parts, differences } = await testing.benchOp("linear", spec({ rows: 7, in: 11, out: 37, bias: 0 }), 0.001);
  expect(Object.keys(differences)).toEqual(["y", "grad x", "grad weight"]);
  expect(parts.map(({ name, flops, bytes }) => [name, flops, bytes])).toEqual([
    ["forward", 2 * 7 * 11 * 37, 4 * (7 * 11 + 11 * 37 + 7 * 37)],
    // x, weight and y's gradient are read, x's gradient written, the weight's read and written
    ["backward", 4 * 7 * 11 * 37, 4 * (2 * 7 * 11 + 3 * 11 * 37 + 7 * 37)],
  ]);
  for (const { seconds, composedSeconds } of parts) {
    expect(seconds).toBeGreaterThan(0);
    expect(composedSeconds).toBeGreaterThan(0);
  }
  const head = await testing.benchOp("head_gradient", spec({ rows: 7, width: 11, vocab: 37 }), 0.001);
  expect(head.parts.map(({ name, flops }) => [name, flops])).toEqual([["both", 3 * 2 * 7 * 11 * 37]]);
  const rollout = await testing.benchOp(
    "row_linear",
    spec({ rows: 7, in: 11, out: 37, bias: 0, keepPanels: 1 }),
    0.001,
  );
  expect(rollout.parts.map(({ name, flops }) => [name, flops])).toEqual([["forward", 2 * 7 * 11 * 37]]);
});

test("the share of the ceiling is of whichever bounds the op", () => {
  // 1 GFLOP takes 10 ms at best and 0.01 GB takes 1 ms
  const product = timing(
    "x",
    { name: "forward", seconds: 0.02, composedSeconds: 0.05, flops: 1e9, bytes: 1e7 },
    ceilings,
  );
  expect(product).toMatchObject({ bound: "product", ms: 20, composedMs: 50, gflops: 50, gbPerS: 0.5 });
  expect(product.share).toBeCloseTo(0.5, 12);
  const memory = timing("x", { name: "forward", seconds: 0.02, composedSeconds: 0.05, flops: 0, bytes: 1e8 }, ceilings);
  expect(memory.bound).toBe("memory");
  expect(memory.share).toBeCloseTo(0.5, 12);
});

test("every size has every op, and labels of its own", () => {
  for (const size of ["s", "m", "3b", "3b-update"] as const) {
    const labels = opCases(size).map(({ label }) => label);
    expect(labels).toHaveLength(14);
    expect(new Set(labels).size).toBe(labels.length);
  }
});

const options: OpsCommandOptions = { size: "s", device: "cpu", threads: 1, seconds: 0.001, ops: "rms_norm,sampler" };

function printed(): string[] {
  const lines: string[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((line: string) => {
    lines.push(line);
  });
  onTestFinished(() => {
    log.mockRestore();
  });
  return lines;
}

test("the command prints checks and a table, or one JSON object, and takes a choice of ops", async () => {
  const lines = printed();
  expect(await benchOps(options)).toBe(0);
  const text = lines.join("\n");
  expect(text).toMatch(/^ceilings with 1 threads: float32 products \d+ GFLOP\/s, reading memory [\d.]+ GB\/s$/mu);
  expect(text).toMatch(/^rms_norm +as composed, largest difference \d/mu);
  expect(text).toMatch(/^sampler forward +[\d.e+]+ +[\d.e+]+ +[\d.]+ +[\d.]+ GB\/s +\d+ %$/mu);
  expect(text).not.toContain("adamw");
  lines.length = 0;
  expect(await benchOps({ ...options, json: true })).toBe(0);
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({ size: "s", ops: [{ op: "rms_norm" }, { op: "sampler" }] });
  await expect(benchOps({ ...options, ops: "linear,lineer" })).rejects.toThrow("--ops: expected some of rms_norm, ");
});

test("an op that is not as composed ends with exit code 1, and a build without the references says what to do", async () => {
  const lines = printed();
  const bench = vi.spyOn(testing, "benchOp").mockResolvedValue({ differences: { y: 0, "grad x": 0.01 }, parts: [] });
  onTestFinished(() => {
    bench.mockRestore();
  });
  expect(await benchOps(options)).toBe(1);
  expect(lines.join("\n")).toContain("rms_norm           FAILED: not as composed, largest difference 1.0e-2");
  bench.mockResolvedValue({ differences: { y: Number.NaN }, parts: [] });
  expect(await benchOps(options)).toBe(1);
  const native = testing as unknown as { runtimeInfo: () => object };
  const info = vi.spyOn(native, "runtimeInfo").mockReturnValue({ testing: false });
  onTestFinished(() => {
    info.mockRestore();
  });
  const [first] = opCases("s");
  if (first) await expect(benchOp(first, 0.001, ceilings)).rejects.toThrow("PAPO_TESTING");
});
