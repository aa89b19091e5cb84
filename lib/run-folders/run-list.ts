// `papo runs` as text.
import { relative } from "node:path";
import { formatNumber, textTable } from "../trainer/terminal.ts";
import type { RunDescription } from "./describe-run.ts";
import { formatBytes, printable } from "./text.ts";

/** Narrower lines have a run on two of them. */
const minTableWidth = 72;

/** A table, or two lines a run where `width` is too little for one. */
export function runList(runs: readonly RunDescription[], width: number, cwd = process.cwd()): string[] {
  const rows = runs.map((run) => [nameOf(run, cwd), run.state, stepsOf(run), bestOf(run), formatBytes(run.bytes)]);
  const table = textTable([["run", "state", "steps", "best", "disk"], ...rows]);
  if (width >= minTableWidth && table.every((line) => line.length <= width)) return table;
  return rows.flatMap(([name = "", state = "", ...rest]) => [
    name.length > width ? `...${name.slice(3 - width)}` : name,
    `  ${[state, ...rest].join(", ")}`.slice(0, width),
  ]);
}

const nameOf = ({ dir }: RunDescription, cwd: string) => printable(relative(cwd, dir) || ".");

const stepsOf = ({ step, totalSteps }: RunDescription) => `${step}/${totalSteps ?? "?"}`;

const bestOf = ({ best }: RunDescription) => (best ? `${formatNumber(best.score)} @ ${best.step}` : "-");
