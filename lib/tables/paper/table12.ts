import { paper } from "./nine.ts";
import type { PaperTable } from "./paper-table.ts";

const row = (label: string, size: string, value: number) => ({ label, size, printed: { "OCRBench-v2": value } });

/** Reading text in pictures. */
export const paperTable12: PaperTable = {
  source: `${paper}, Table 12`,
  unit: "%",
  averaged: "the benchmark's own score",
  benchmarks: [{ name: "OCRBench-v2", group: "OCR" }],
  // prettier-ignore
  rows: [
    row("untrained", "3B", 20.14), row("GRPO", "3B", 26.32), row("PAPO_G", "3B", 27.22),
    row("untrained", "7B", 27.75), row("GRPO", "7B", 31.17), row("PAPO_G", "7B", 32.11),
  ],
};
