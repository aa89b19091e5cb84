import { expect, test } from "vitest";
import { loadRunConfig } from "../../lib/config/load.ts";
import { ConfigError } from "../../lib/errors.ts";
import { stepsOf } from "../../lib/trainer/open-run.ts";

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
