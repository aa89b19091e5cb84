import { expect, test } from "vitest";
import { toMarkdown } from "../../lib/tables/render/markdown.ts";
import { tables } from "../../lib/tables/registry.ts";
import type { AttentionResult, Results } from "../../lib/tables/results.ts";
import { runRef, runWith } from "./support.ts";

const linesOf = (name: string, scale: "paper" | "mini", results: Results) => {
  const report = tables[name]?.make(scale, results);
  return report ? toMarkdown(report.table).split("\n") : [];
};
const steps = (value: number) => Array.from({ length: 10 }, (_, index) => value + (index % 2 === 0 ? 0.5 : -0.5));

test("a step's time is the mean over steps, beside what the masked pictures cost", () => {
  const runs = [
    runWith(runRef("grpo"), { "timing_s/step": steps(20) }),
    runWith(runRef("papo_g"), { "timing_s/step": steps(25), "timing_s/aug_probs": steps(3) }),
  ];
  const lines = linesOf("table14", "mini", { runs });
  expect(lines).toContain("| mini | GRPO | ours | 20.0 | – | – | – |");
  expect(lines).toContain("| mini | PAPO\\_G | ours | 25.0 | 3.0 | 5.0 | 25.0 |");
  expect(lines).toContain("| 7B | PAPO\\_G | paper | 367.1 | 49.7 | 108.6 | 42.0 |"); // 367.1 / 258.5 = 1.4201
});

test("a run that has not ended has no time, and no run a difference to it", () => {
  const runs = [
    runWith(runRef("grpo", { step: 10 }), { "timing_s/step": steps(20) }),
    runWith(runRef("papo_g"), { "timing_s/step": steps(25) }),
  ];
  const lines = linesOf("table14", "mini", { runs });
  expect(lines).toContain("| mini | GRPO | ours | incomplete | incomplete | – | – |");
  expect(lines).toContain("| mini | PAPO\\_G | ours | 25.0 | – | incomplete | incomplete |");
});

test("attention entropies by benchmark, over seeds, beside the paper's", () => {
  const result = (seed: number, mean: number): AttentionResult => ({
    run: runRef("papo_g-gamma0.01", { size: "3B", seed }),
    settings: "attention",
    ...{ benchmark: "Counting", mean, median: 0.94, numSamples: 100 },
  });
  const lines = linesOf("table9", "paper", { attention: [result(1, 0.93), result(2, 0.94)] });
  // 0.935, half a difference of 0.01 x 12.7062
  expect(lines).toContain("| 3B | random | ours, 2 seeds | 0.9350 ± 0.0635 | 0.9400 ± 0.0000 |");
  expect(lines).toContain("| 3B | random | paper | 0.9351 | 0.9362 |");
  expect(lines).toContain("| 3B | semantic | not run | – | – |");
});
