import { averagedAsPublished, averages, gains, nine, nineBenchmarks, paper } from "./nine.ts";
import type { PaperRow, PaperTable } from "./paper-table.ts";

const collapsed = "collapsed late in training";
const qwen3 = "Qwen3-VL-2B";

/** The paper's main results. The Qwen3-VL row's Δ is printed as the gain of the averages, unlike the others. */
export const paperTable1: PaperTable = {
  source: `${paper}, Table 1`,
  unit: "% correct",
  averaged: averagedAsPublished,
  benchmarks: nineBenchmarks,
  // prettier-ignore
  rows: [
    { label: "GRPO", size: "3B", printed: { ...nine(28.72, 59.34, 58.90, 57.24, 55.25, 38.14, 55.81, 25.66, 52.26), ...averages(51.89, 42.97, 47.92) } },
    { label: "PAPO_G", size: "3B", baseline: "GRPO", printed: { ...nine(30.95, 61.38, 60.09, 57.39, 57.14, 38.67, 62.56, 27.11, 53.95), ...averages(53.39, 45.57, 49.92), ...gains(3.38, 5.60, 4.36) } },
    { label: "GRPO", size: "7B", printed: { ...nine(40.18, 65.48, 68.12, 72.26, 66.51, 45.62, 73.94, 35.17, 61.71), ...averages(62.51, 54.11, 58.78) } },
    { label: "PAPO_G", size: "7B", baseline: "GRPO", printed: { ...nine(40.25, 69.53, 66.79, 72.52, 68.43, 46.07, 89.81, 36.63, 64.97), ...averages(63.50, 59.37, 61.66), ...gains(1.53, 7.96, 4.39) } },
    { label: "DAPO", size: "3B", printed: { ...nine(31.20, 60.89, 59.95, 66.83, 56.25, 40.69, 74.25, 28.42, 53.09), ...averages(55.02, 49.11, 52.40) } },
    { label: "PAPO_D", size: "3B", baseline: "DAPO", printed: { ...nine(35.65, 62.53, 62.67, 64.09, 60.51, 41.67, 83.56, 28.76, 57.72), ...averages(57.09, 52.93, 55.24), ...gains(5.00, 5.97, 5.54) } },
    { label: "DAPO", size: "7B", remark: collapsed, printed: { ...nine(35.92, 61.91, 58.51, 75.93, 55.64, 37.05, 90.05, 29.02, 51.04), ...averages(57.58, 51.79, 55.01) } },
    { label: "PAPO_D", size: "7B", baseline: "DAPO", printed: { ...nine(44.11, 67.53, 68.30, 80.61, 68.58, 46.70, 91.38, 36.34, 64.87), ...averages(65.83, 59.82, 63.16), ...gains(15.61, 19.09, 17.54) } },
    { label: "GRPO", size: qwen3, printed: { ...nine(39.29, 53.58, 57.12, 47.71, 47.98, 29.84, 80.13, 20.51, 45.41), ...averages(49.13, 43.97, 46.84) } },
    { label: "PAPO_G", size: qwen3, baseline: "GRPO", printed: { ...nine(41.08, 56.08, 59.17, 48.57, 51.89, 32.83, 80.63, 23.42, 50.05), ...averages(51.36, 46.73, 49.30), ...gains(4.52, 6.27, 5.25) } },
  ],
};

/** A row of Table 1 under the label that another table gives the same run. */
export function table1Row(
  of: { label: string; size: string },
  changes: Pick<PaperRow, "label"> & Partial<PaperRow>,
): PaperRow {
  const row = paperTable1.rows.find(({ label, size }) => label === of.label && size === of.size);
  if (!row) throw new RangeError(`[table1Row] Table 1 has no row ${of.label} ${of.size}`);
  return { ...row, ...changes };
}
