import { expect, test } from "vitest";
import { loadRunConfig } from "../../lib/config/load.ts";
import { ConfigError } from "../../lib/errors.ts";
import { stepsOf } from "../../lib/trainer/open-run.ts";
import { learningRate, totalSteps } from "../../lib/trainer/schedule.ts";
import { runConfig } from "../support/config.ts";

/** Rates of all steps, 1 to `steps`. */
function rates(steps: number, optim: Record<string, unknown>, compat = "none"): number[] {
  const config = runConfig({ compat, optim: { lr: 0.8, ...optim } });
  return Array.from({ length: steps }, (_, index) => learningRate(config, index + 1, steps));
}

function expectRates(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  for (const [index, rate] of expected.entries()) expect(actual[index]).toBeCloseTo(rate, 12);
}

test("a constant rate is lr at every step", () => {
  expectRates(rates(3, {}), [0.8, 0.8, 0.8]);
});

test("a linear rate falls by the same amount each step and would be 0 one step after the last", () => {
  // 0.8 * (1 - (step - 1) / 4)
  expectRates(rates(4, { schedule: "linear" }), [0.8, 0.6, 0.4, 0.2]);
});

test("a cosine rate follows half a wave and would be 0 one step after the last", () => {
  // 0.8 * (1 + cos(pi * (step - 1) / 4)) / 2, with cos(pi / 4) = sqrt(1 / 2)
  const root = Math.SQRT1_2;
  expectRates(rates(4, { schedule: "cosine" }), [0.8, 0.4 * (1 + root), 0.4, 0.4 * (1 - root)]);
});

test("minLrRatio lifts the end of linear and cosine", () => {
  // 0.8 * (0.25 + 0.75 * (1 - (step - 1) / 4))
  expectRates(rates(4, { schedule: "linear", minLrRatio: 0.25 }), [0.8, 0.65, 0.5, 0.35]);
  // 0.8 * (0.25 + 0.75 * (1 + cos(pi * (step - 1) / 2)) / 2)
  expectRates(rates(2, { schedule: "cosine", minLrRatio: 0.25 }), [0.8, 0.5]);
});

test.each(["constant", "linear", "cosine"])("a run of one step trains at lr with %s", (schedule) => {
  expectRates(rates(1, { schedule }), [0.8]);
});

test.each(["constant", "linear", "cosine"])("no step of a %s run has rate 0, with or without warm-up", (schedule) => {
  for (const warmupSteps of [0, 1, 3, 7]) {
    expect(Math.min(...rates(7, { schedule, warmupSteps }))).toBeGreaterThan(0);
  }
});

test("the warm-up rises from lr / steps to lr, and the schedule starts from lr", () => {
  // 0.8 * step / 2, then 0.8 * (1 - (step - 3) / 4)
  expectRates(rates(6, { warmupSteps: 2, schedule: "linear" }), [0.4, 0.8, 0.8, 0.6, 0.4, 0.2]);
  // as long as the run: 0.8 * step / 4
  expectRates(rates(4, { warmupSteps: 4, schedule: "cosine" }), [0.2, 0.4, 0.6, 0.8]);
});

test("warmupRatio is a share of the steps, rounded down, and warmupSteps goes before it", () => {
  // floor(0.3 * 7) = 2 steps
  expectRates(rates(7, { warmupRatio: 0.3 }), [0.4, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8]);
  // floor(0.3 * 3) = 0 steps
  expectRates(rates(3, { warmupRatio: 0.3 }), [0.8, 0.8, 0.8]);
  expectRates(rates(3, { warmupRatio: 0.7, warmupSteps: 0 }), [0.8, 0.8, 0.8]);
});

test("compat: reference starts at 0 with and without warm-up", () => {
  expectRates(rates(3, {}, "reference"), [0, 0.8, 0.8]);
  // 0.8 * (step - 1) / 2 up to step 2, then the schedule: 0.8 * (1 - (step - 3) / 2)
  expectRates(rates(4, { warmupSteps: 2, schedule: "linear" }, "reference"), [0, 0.4, 0.8, 0.4]);
  // no warm-up: 0, then 0.8 * (1 - (step - 1) / 4)
  expectRates(rates(4, { schedule: "linear" }, "reference"), [0, 0.6, 0.4, 0.2]);
});

test("steps count from 1", () => {
  expect(() => learningRate(runConfig(), 0, 7)).toThrow(/step: expected 1 or more, got 0/u);
});

test("the published recipes run 202 steps on their 38,870 rows", () => {
  // GRPO: floor(38,870 / 384) = 101 an epoch, two epochs.
  expect(totalSteps(loadRunConfig(["qwen2_5_vl_3b_grpo"]), 38_870)).toBe(202);
  // DAPO: floor(38,870 / 128) = 303 rounds of 128 = 38,784 rows, / 384 = 101 an epoch, two epochs.
  expect(totalSteps(loadRunConfig(["qwen2_5_vl_7b_dapo_papo"]), 38_870)).toBe(202);
});

test("maxSteps goes before the epochs", () => {
  expect(totalSteps(loadRunConfig(["qwen2_5_vl_3b_grpo", "trainer.maxSteps=7"]), 38_870)).toBe(7);
});

/** GRPO, or with `mini` DAPO in rounds of so many rows. */
function sized(rolloutBatchSize: number, mini?: number, ...words: string[]) {
  const sizes = [`data.rolloutBatchSize=${rolloutBatchSize}`, "optim.globalBatchSize=1"];
  const rounds = mini === undefined ? [] : [`data.miniRolloutBatchSize=${mini}`];
  return loadRunConfig([mini === undefined ? "miniature-grpo" : "miniature-dapo", ...sizes, ...rounds, ...words]);
}

function failure(config: ReturnType<typeof sized>, numRows: number): string {
  try {
    stepsOf(config, numRows);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error("expected a ConfigError, got none");
}

test("a run has as many steps as whole batches", () => {
  expect(stepsOf(sized(3), 11)).toBe(3); // floor(11 / 3)
  expect(stepsOf(sized(3, 2), 11)).toBe(3); // floor(10 / 3)
  expect(stepsOf(sized(11), 11)).toBe(1);
});

test("a batch above the data set is refused by its own key and value", () => {
  const text = "expected at most the 8 usable rows of data.train, got 16";
  expect(failure(sized(16), 8)).toBe(`data.rolloutBatchSize: ${text}`);
  expect(failure(sized(16, undefined, "trainer.maxSteps=1"), 8)).toBe(`data.rolloutBatchSize: ${text}`);
  expect(failure(sized(16, 4), 8)).toBe(`data.rolloutBatchSize: ${text}`);
  expect(failure(sized(4, 16), 8)).toBe(`data.miniRolloutBatchSize: ${text}`);
  expect(failure(sized(16, 16, "trainer.maxSteps=1"), 8)).toBe(`data.miniRolloutBatchSize: ${text}`);
});

test("rounds that leave too few rows for a step are named", () => {
  // floor(11 / 4) = 2 rounds of 4 rows
  expect(failure(sized(10, 4), 11)).toBe(
    "data.rolloutBatchSize: expected at most 8, or an epoch has no whole step " +
      "(11 usable rows of data.train in whole rounds of data.miniRolloutBatchSize = 4), got 10",
  );
});

test("with maxSteps, filtered rounds may go on over epochs until a step is full", () => {
  expect(stepsOf(sized(16, 4, "trainer.maxSteps=3"), 8)).toBe(3);
});
