// Curves of training runs: from metrics.jsonl, smoothed, over seeds.
import { ResultsError } from "../errors.ts";
import type { Point, Series } from "./figure.ts";
import { type Curve, type RunResult, isUnfinished } from "./results.ts";
import { mean } from "./statistics.ts";

/** Curves of some metrics from the lines of a metrics.jsonl, in their order; a line without the metric has no point. */
export function curvesOf(
  lines: Iterable<Readonly<Record<string, number | null>>>,
  names: readonly string[],
): Record<string, Curve> {
  const curves = new Map(names.map((name) => [name, { steps: [] as number[], values: [] as (number | null)[] }]));
  for (const line of lines) {
    for (const [name, { steps, values }] of curves) {
      const value = line[name];
      if (value === undefined) continue;
      steps.push(line["step"] ?? 0);
      values.push(value);
    }
  }
  return Object.fromEntries(curves);
}

/**
 * Mean of the last `window` values at each point, of fewer at the start, as the paper smooths its curves. A value that
 * is not there ends the window: what comes after a hole is not joined with what was before.
 */
export function runningMean({ steps, values }: Curve, window: number): Point[] {
  const points: Point[] = [];
  let recent: number[] = [];
  for (const [index, value] of values.entries()) {
    recent = value === null ? [] : [...recent, value].slice(-window);
    if (value !== null) points.push({ x: steps[index] ?? NaN, y: mean(recent) });
  }
  return points;
}

export interface CurveChoice {
  /** By lib/trainer/metrics.ts. */
  readonly metric: string;
  /** Points that are averaged; 1 for none. */
  readonly window: number;
}

/**
 * One line for the seeds of a run: the mean over the steps that all seeds have, with their lowest and highest.
 * @param seeds one result a seed, at least one
 * @throws {ResultsError} `missing` for a run without the metric
 */
export function seedSeries(label: string, seeds: readonly RunResult[], { metric, window }: CurveChoice): Series {
  const curves = seeds.map(({ run, curves }) => {
    const curve = curves[metric];
    if (!curve) throw new ResultsError("missing", `${run.id} has no metric ${metric}`);
    return new Map(runningMean(curve, window).map(({ x, y }) => [x, y]));
  });
  const steps = [...(curves[0]?.keys() ?? [])].filter((step) => curves.every((curve) => curve.has(step)));
  const valuesAt = (step: number) => curves.map((curve) => curve.get(step) ?? NaN);
  return {
    label,
    isIncomplete: seeds.some(({ run }) => isUnfinished(run)),
    points: steps.map((x) => ({ x, y: mean(valuesAt(x)) })),
    band:
      seeds.length < 2 ? [] : steps.map((x) => ({ x, low: Math.min(...valuesAt(x)), high: Math.max(...valuesAt(x)) })),
  };
}
