import { expect, test } from "vitest";
import { RewardError } from "../../lib/errors.ts";
import { modelFlopsUtilisation, trainingFlops } from "../../lib/trainer/flops.ts";
import { MetricSums, metricRow, metricTable } from "../../lib/trainer/metrics.ts";
import {
  PhaseTimer,
  lengthMetrics,
  rewardMetrics,
  seqlenMetrics,
  spreadMetrics,
} from "../../lib/trainer/step-metrics.ts";

test("no metric is in the table twice, and a whole name wins over a pattern", () => {
  expect(new Set(metricTable.map(({ name }) => name)).size).toBe(metricTable.length);
  expect(metricRow("reward/accuracy")?.name).toBe("reward/*");
  expect(metricRow("reward/symbolic_skipped")?.unit).toBe("count");
  expect(metricRow("val/accuracy_reward")?.reduce).toBe("last");
  expect(metricRow("reward/a/b")).toBeUndefined();
  expect(metricRow("reward/")).toBeUndefined();
});

/** An optimizer step of so many tokens, in 1 response. */
const weights = (numTokens: number) => ({ numTokens, numAveraged: 1 });

test("each reduction joins two optimizer steps in its own way", () => {
  const sums = new MetricSums();
  sums.add(
    { "actor/pg_loss": 1, "actor/ppo_kl": 1, "actor/lr": 1, "timing_s/gen": 1, "response_length/min": 1 },
    weights(37),
  );
  sums.add(
    { "actor/pg_loss": 2, "actor/ppo_kl": 3, "actor/lr": 2, "timing_s/gen": 2, "response_length/min": 2 },
    weights(111),
  );
  sums.add({ "response_length/max": 7 }, weights(1));
  sums.add({ "response_length/max": 3 }, weights(1));
  expect(sums.result()).toEqual({
    "actor/pg_loss": 1.5,
    "actor/ppo_kl": 2.5, // (37 * 1 + 111 * 3) / 148
    "actor/lr": 2,
    "timing_s/gen": 3,
    "response_length/min": 1,
    "response_length/max": 7,
  });
});

test("token means do not depend on how the tokens are split into optimizer steps", () => {
  // values of 1, 7 and 37 tokens; their token mean is (1 * 0.5 + 7 * 0.25 + 37 * 2) / 45
  const split = new MetricSums();
  split.add({ "actor/ppo_kl": 0.5 }, weights(1));
  split.add({ "actor/ppo_kl": 0.25 }, weights(7));
  split.add({ "actor/ppo_kl": 2 }, weights(37));
  const joined = new MetricSums();
  joined.add({ "actor/ppo_kl": (1 * 0.5 + 7 * 0.25) / 8 }, weights(8));
  joined.add({ "actor/ppo_kl": 2 }, weights(37));
  expect(split.result()["actor/ppo_kl"]).toBeCloseTo(76.25 / 45, 12);
  expect(joined.result()["actor/ppo_kl"]).toBeCloseTo(76.25 / 45, 12);
});

test("loss terms are weighted by what the loss averages over, not by tokens", () => {
  const sums = new MetricSums();
  sums.add({ "actor/entropy_loss": 1, "actor/ori_entropy_loss": 1 }, { numTokens: 100, numAveraged: 1 });
  sums.add({ "actor/entropy_loss": 4, "actor/ori_entropy_loss": 4 }, { numTokens: 300, numAveraged: 2 });
  // (1 * 1 + 2 * 4) / 3 over responses, (100 * 1 + 300 * 4) / 400 over tokens
  expect(sums.result()).toEqual({ "actor/entropy_loss": 3, "actor/ori_entropy_loss": 3.25 });
});

test("a metric that is not in the table cannot be added", () => {
  expect(() => {
    new MetricSums().add({ "actor/pg_los": 1 }, weights(1));
  }).toThrow(/actor\/pg_los is not in the metric table/);
});

test("lengths give mean, max, min and the share at the limit", () => {
  expect(lengthMetrics("response_length", [1, 7, 37, 111, 111], 111)).toEqual({
    "response_length/mean": 53.4,
    "response_length/max": 111,
    "response_length/min": 1,
    "response_length/clip_ratio": 0.4,
  });
  expect(lengthMetrics("response_length", [], 7)).toEqual({});
  expect(spreadMetrics("critic/advantages", new Float32Array(0))).toEqual({});
});

test("a reward part may not have the name of papo's own counter", () => {
  expect(() => rewardMetrics([{ overall: 1, symbolic_skipped: 1 }])).toThrow(RewardError);
  expect(() => rewardMetrics([{ overall: 1, symbolic_skipped: 1 }])).toThrow(
    /^reward part symbolic_skipped: expected/u,
  );
});

test("a reward part that some responses lack is averaged over those that have it", () => {
  expect(rewardMetrics([{ overall: 1, tone: 0.5 }, { overall: 0 }, { overall: 0.5 }])).toEqual({
    "reward/overall": 0.5,
    "reward/tone": 0.5,
  });
});

test("sequence lengths of processes give their spread", () => {
  expect(seqlenMetrics([37, 111], [74, 74])).toEqual({
    "global_seqlen/min": 37,
    "global_seqlen/max": 111,
    "global_seqlen/minmax_diff": 74,
    "global_seqlen/balanced_min": 74,
    "global_seqlen/balanced_max": 74,
    "global_seqlen/mean": 74,
  });
});

test("phase times add up, also of a phase that throws, divide by the tokens of their kind, and peaks are the largest", async () => {
  let now = 1000;
  const peaks = [9e9, 2e9, 5e9, 3e9, 8e9, 1e9, 7e9, 4e9, 6e9, 5e9]; // before and in each phase
  const timer = new PhaseTimer({ now: () => now, takePeak: () => Promise.resolve(peaks.shift() ?? Number.NaN) });
  const takes = (ms: number) => () => {
    now += ms;
    return ms;
  };
  expect(await timer.measure("gen", takes(2000))).toBe(2000);
  await timer.measure("gen", takes(2000));
  await timer.measure("old", takes(1000));
  await timer.measure("validation", takes(500));
  await expect(
    timer.measure("adv", () => {
      now += 500;
      throw new Error("x");
    }),
  ).rejects.toThrow("x");
  const metrics = timer.metrics({ responseTokens: 100, totalTokens: 400 });
  expect(metrics).toEqual({
    "timing_s/gen": 4,
    "timing_s/old": 1,
    "timing_s/validation": 0.5,
    "timing_s/adv": 0.5,
    "timing_s/step": 6,
    "timing_per_token_ms/gen": 40,
    "timing_per_token_ms/old": 2.5,
    "timing_per_token_ms/adv": 1.25,
    "perf/peak_gb/gen": 3, // the larger of 2 and 3
    "perf/peak_gb/old": 1,
    "perf/total_num_tokens": 400,
    "perf/time_per_step": 6,
    "perf/throughput": 400 / 6,
  });
  for (const name of Object.keys(metrics)) expect(metricRow(name), name).toBeDefined();
});

test("training arithmetic counts 6 per weight and token and the attention scores", () => {
  const text = {
    hiddenSize: 8,
    intermediateSize: 16,
    numLayers: 3,
    numHeads: 2,
    numKvHeads: 1,
    headSize: 4,
    vocabSize: 37,
    rmsNormEps: 1e-6,
    ropeTheta: 1e6,
    mropeSection: [0, 1, 1] as const,
    tieWordEmbeddings: true,
  };
  // N = 3 * (3*8*16 + 8*(8 + 4 + 4 + 8)) + 2*37*8 = 3*576 + 592 = 2320; 6*2320*8 + 12*(1 + 49)*4*2*3
  expect(trainingFlops(text, [1, 7])).toBe(6 * 2320 * 8 + 12 * 50 * 24);
  expect(modelFlopsUtilisation(989e12, 2, "NVIDIA H200")).toBe(0.5);
  expect(modelFlopsUtilisation(1e12, 2, "some CPU")).toBe(0);
});
