import { expect, test } from "vitest";
import { passFlops, totalFlops } from "../../lib/plan/flops.ts";
import { FlopMeter } from "../../lib/trainer/flop-meter.ts";
import { metricRow } from "../../lib/trainer/metrics.ts";
import { batchOf, prompt, response, score, tinyConfig, tinyPolicy } from "../support/tiny-policy.ts";

const groups = () => [{ prompt: prompt("text", [11, 12, 13]), responses: [response(7, 4), response(1, 5)] }];

test("a step's utilisation is its counted arithmetic over its time and the peak", async () => {
  const policy = await tinyPolicy();
  const meter = new FlopMeter(1e9);
  await score(policy, batchOf(groups())); // before the step
  await meter.begin();
  await score(policy, batchOf(groups()));
  const metrics = await meter.metrics(2);
  const shape = { promptTokens: 3, grids: [], responseLengths: [7, 1] };
  const flops = passFlops(tinyConfig, [shape]);
  expect(metrics["perf/tflop_head"]).toBeCloseTo(flops.head / 1e12, 12);
  expect(metrics["perf/tflop_vision"]).toBe(0);
  expect(metrics["perf/mfu"]).toBeCloseTo(totalFlops(flops) / 2 / 1e9, 9);
  expect(metrics["perf/peak_tflops"]).toBe(1e-3);
  for (const name of Object.keys(metrics)) expect(metricRow(name), name).toBeDefined();
  expect(await meter.metrics(0)).toMatchObject({ "perf/mfu": 0, "perf/tflop_head": 0 });
});

test("the peak is the data sheet's where there is one, else what a product reaches here", async () => {
  const peakOf = async (name: string) => (await (await FlopMeter.create("cpu", name)).metrics(1))["perf/peak_tflops"];
  expect(await peakOf("NVIDIA H100 80GB HBM3")).toBe(989);
  expect(await peakOf("cpu")).toBeGreaterThan(1e-4);
});
