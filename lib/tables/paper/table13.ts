import { paper } from "./nine.ts";
import type { PaperTable } from "./paper-table.ts";

const row = (label: string, size: string, value: number) => ({ label, size, printed: { "MMLU-Pro": value } });

/** Text questions, each with a picture of pure noise. */
export const paperTable13: PaperTable = {
  source: `${paper}, Table 13`,
  unit: "% correct",
  averaged: "mean over questions",
  benchmarks: [{ name: "MMLU-Pro", group: "text" }],
  // prettier-ignore
  rows: [
    row("untrained", "3B", 23.23), row("GRPO", "3B", 39.34), row("PAPO_G", "3B", 40.74),
    row("untrained", "7B", 31.57), row("GRPO", "7B", 50.76), row("PAPO_G", "7B", 50.55),
  ],
};
