import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { curvesOf, runningMean, seedSeries } from "../../lib/tables/curves.ts";
import { toMarkdown } from "../../lib/tables/render/markdown.ts";
import { tables } from "../../lib/tables/registry.ts";
import { metricRow } from "../../lib/trainer/metrics.ts";
import { readMetrics } from "../../lib/trainer/metrics-file.ts";
import type { StepMetrics } from "../../lib/types.ts";
import { runRef, runWith } from "./support.ts";

test("the running mean is over the last values, fewer at the start", () => {
  const points = runningMean({ steps: [1, 2, 3, 4], values: [1, 3, 8, 4] }, 3);
  expect(points).toEqual([
    { x: 1, y: 1 },
    { x: 2, y: 2 },
    { x: 3, y: 4 }, // 12 / 3
    { x: 4, y: 5 }, // 15 / 3
  ]);
});

test("a value that is not finite leaves a hole and begins a new mean", () => {
  const points = runningMean({ steps: [1, 2, 3, 4], values: [1, null, 5, 7] }, 3);
  expect(points).toEqual([
    { x: 1, y: 1 },
    { x: 3, y: 5 },
    { x: 4, y: 6 },
  ]);
});

test("seeds become their mean, lowest and highest, over the steps that all of them have", () => {
  const seeds = [
    runWith(runRef("grpo"), { "reward/accuracy": [0.2, 0.4, 0.9] }),
    runWith(runRef("grpo", { seed: 2, step: 2 }), { "reward/accuracy": [0.4, 0.4] }),
  ];
  const series = seedSeries("GRPO", seeds, { metric: "reward/accuracy", window: 1 });
  expect(series.points.map(({ x }) => x)).toEqual([1, 2]);
  expect(series.points[0]?.y).toBeCloseTo(0.3, 12);
  expect(series.band[0]).toEqual({ x: 1, low: 0.2, high: 0.4 });
  expect(series.isIncomplete).toBe(true);
});

test("curves come from the lines of a metrics.jsonl, null where the file has null", async () => {
  const dir = await mkdtemp(join(tmpdir(), "papo-curves-"));
  try {
    const file = join(dir, "metrics.jsonl");
    const lines = [
      '{"step":0,"val/reward_score":0.1}',
      '{"step":1,"reward/accuracy":0.5}',
      '{"step":2,"reward/accuracy":null}',
    ];
    await writeFile(file, `${lines.join("\n")}\n{"step":3,"rew`);
    const metrics: StepMetrics[] = [];
    for await (const line of readMetrics(file)) metrics.push(line.metrics);
    expect(curvesOf(metrics, ["reward/accuracy", "timing_s/step"])).toEqual({
      "reward/accuracy": { steps: [1, 2], values: [0.5, null] },
      "timing_s/step": { steps: [], values: [] },
    });
  } finally {
    await rm(dir, { recursive: true });
  }
});

test("every metric that a figure draws is one that the trainer writes", () => {
  for (const { metrics } of Object.values(tables)) {
    for (const metric of metrics) expect([metric, metricRow(metric) !== undefined]).toEqual([metric, true]);
  }
});

test("an unfinished run is incomplete in the table of a figure", () => {
  const runs = [
    runWith(runRef("grpo"), { "reward/accuracy": [0.2, 0.4, 0.3] }),
    runWith(runRef("papo_g", { step: 2 }), { "reward/accuracy": [0.2, 0.4] }),
  ];
  const lines = toMarkdown(tables["figure4"]?.make("mini", { runs }).table ?? never()).split("\n");
  // running means 0.2, 0.3, 0.3
  expect(lines).toContain("| GRPO, miniature | GRPO | ours | 0.2000 | 0.3000 | 2 | 0.3000 | 3 |");
  expect(lines).toContain("| GRPO, miniature | PAPO\\_G | ours | incomplete | incomplete | incomplete | incomplete | incomplete |"); // prettier-ignore
  expect(lines).toContain("| DAPO, miniature | DAPO | not run | – | – | – | – | – |");
});

test("the paper's values stand beside ours", () => {
  const lines = toMarkdown(tables["figure4"]?.make("paper", {}).table ?? never()).split("\n");
  expect(lines).toContain("| DAPO, 7B | DAPO | paper | – | 0.700 | 140 | 0.653 | 200 |");
});

function never(): never {
  throw new Error("not there");
}
