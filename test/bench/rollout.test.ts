import { expect, onTestFinished, test, vi } from "vitest";
import { benchRollout, type RolloutCommandOptions } from "../../lib/bench/rollout-command.ts";
import { runRolloutBench } from "../../lib/bench/rollout.ts";
import { model, smallWorkload } from "./world.ts";

const command: RolloutCommandOptions = {
  ...{ n: "1,3", concurrent: "2", response: 7, threads: 1, json: true },
  ...{ dtype: "float32", device: "cpu", randomWeights: false, seed: 0 },
};

test("each pair of n and concurrent samples every prompt to the same length", async () => {
  const seen: number[] = [];
  const timings = await runRolloutBench(
    model,
    await smallWorkload(),
    { ...command, n: [1, 3], concurrent: [2, 64] },
    ({ n }) => seen.push(n),
  );
  expect(timings.map(({ n, concurrent }) => [n, concurrent])).toEqual([
    [1, 2],
    [1, 64],
    [3, 2],
    [3, 64],
  ]);
  expect(seen).toEqual([1, 1, 3, 3]);
  // 3 prompts
  expect(timings.map(({ responseTokens }) => responseTokens)).toEqual([21, 21, 63, 63]);
  for (const { responseTokens, totalS, tokensPerS } of timings)
    expect(tokensPerS * totalS).toBeCloseTo(responseTokens, 6);
});

test("the last line is a JSON object, after a table unless only JSON is wanted", async () => {
  const log = vi.spyOn(console, "log").mockImplementation(() => undefined);
  onTestFinished(() => {
    log.mockRestore();
  });
  const workload = await smallWorkload();
  await benchRollout(model, workload, command);
  expect(log).toHaveBeenCalledTimes(1);
  expect(JSON.parse(String(log.mock.calls[0]?.[0]))).toMatchObject({ response: 7, runs: [{ n: 1 }, { n: 3 }] });
  await benchRollout(model, workload, { ...command, json: false });
  expect(String(log.mock.calls[1]?.[0])).toMatch(/^3 +2 +63 +[\d.]+ +[\d.]+ +\d+ +\d+$/mu);
  for (const n of ["0", "", "1,,2", "a", "1.5"])
    await expect(benchRollout(model, workload, { ...command, n })).rejects.toThrow("--n: expected integers >= 1");
  await expect(benchRollout(model, workload, { ...command, concurrent: "-1" })).rejects.toThrow("--concurrent: ");
});
