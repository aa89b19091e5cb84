// One picture of a run for the terminal: state, time left, and the metrics that matter with a sparkline each.
import { formatDuration, formatNumber } from "../trainer/terminal.ts";
import type { RunStatus } from "../trainer/run-status.ts";
import type { LoggedStep } from "./metrics-tail.ts";
import { sparkline } from "./sparkline.ts";
import { printable } from "./text.ts";

export interface Watched {
  readonly name: string;
  readonly state: RunStatus["state"];
  /** undefined before the run's first step. */
  readonly totalSteps: number | undefined;
  /** In order. */
  readonly steps: readonly LoggedStep[];
  readonly message?: string | undefined;
}

export interface FrameOptions {
  /** Characters a line. */
  readonly width: number;
  /** Whether the terminal shows more than ASCII. */
  readonly unicode: boolean;
  readonly bold: (text: string) => string;
}

/** In order of importance: a low terminal gets the first ones. */
const shown: readonly (readonly [title: string, metric: string])[] = [
  ["reward", "reward/overall"],
  ["accuracy", "reward/accuracy"],
  ["validation", "val/reward_score"],
  ["kl_prcp", "actor/kl_prcp_loss"],
  ["entropy", "actor/entropy_loss"],
  ["kl", "actor/kl_loss"],
  ["clipped", "actor/pg_clipfrac_higher"],
  ["alarms", "guard/alarms"],
  ["sft loss", "actor/sft_loss"],
  ["val loss", "val/sft_loss"],
  ["grad norm", "actor/grad_norm"],
  ["length", "response_length/mean"],
  ["step, s", "timing_s/step"],
  ["tok/s", "perf/throughput"],
  ["memory, GB", "perf/cpu_memory_used_gb"],
];
const titleWidth = 11;
const valueWidth = 8;
const timed = ["timing_s/step", "timing_s/validation", "timing_s/save_checkpoint"];
/** Steps that the time left is judged by. */
const recent = 20;

/** Seconds left by the mean of the newest steps' own times, so that a clock that jumps does not matter; NaN: unknown. */
export function secondsLeft({ steps, totalSteps }: Pick<Watched, "steps" | "totalSteps">): number {
  const trained = steps.filter((step) => (step["timing_s/step"] ?? 0) > 0).slice(-recent);
  const last = steps.at(-1)?.step;
  if (totalSteps === undefined || last === undefined || trained.length === 0) return Number.NaN;
  const seconds = trained.reduce((sum, step) => sum + timed.reduce((all, name) => all + (step[name] ?? 0), 0), 0);
  return (seconds / trained.length) * Math.max(0, totalSteps - last);
}

/** The frame's lines, each at most `width` wide. */
export function watchFrame(run: Watched, { width, unicode, bold }: FrameOptions): string[] {
  const last = run.steps.at(-1)?.step ?? 0;
  const left = run.state === "running" ? `, ${formatDuration(secondsLeft(run))} left` : "";
  const head = `${run.state}, step ${last}/${run.totalSteps ?? "?"}${left}`;
  const rows = shown.flatMap(([title, metric]) => {
    const values = run.steps.flatMap((step) => (metric in step ? [step[metric] ?? Number.NaN] : []));
    if (values.length === 0) return [];
    const room = width - titleWidth - valueWidth - 2;
    const line = room >= 4 ? `  ${sparkline(values, Math.min(room, 60), unicode)}` : "";
    return [`${title.padEnd(titleWidth)}${formatNumber(values.at(-1)).padStart(valueWidth)}${line}`.slice(0, width)];
  });
  const message = run.message === undefined ? [] : [printable(run.message).slice(0, width)];
  return [bold(printable(run.name).slice(0, width)), head.slice(0, width), ...rows, ...message];
}
