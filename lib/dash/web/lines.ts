// The lines of a chart: each shown run with each metric, smoothed, with what it was before smoothing behind it.
import type { RunSummary } from "../api.ts";
import type { ChartPlan } from "./chart-plan.ts";
import type { Curve } from "./curves.ts";
import { align, smooth } from "./smooth.ts";
import type { Look } from "./state.ts";
import { seriesColour } from "./theme.ts";

export interface Line {
  readonly label: string;
  readonly colour: string;
  /** In canvas pixels; undefined: solid. */
  readonly dash: readonly number[] | undefined;
  readonly curve: Curve;
}

/** One run is coloured by metric; of several, each has its colour and the metrics differ in dashes. */
export function linesOf(
  plan: ChartPlan,
  runs: readonly RunSummary[],
  { all, curveOf }: { readonly all: number; readonly curveOf: (run: number, metric: string) => Curve | undefined },
): Line[] {
  const isOverlay = all > 1;
  return runs.flatMap(({ id, name }) =>
    plan.metrics.flatMap(({ name: metric, label }, index) => {
      const curve = curveOf(id, metric);
      if (!curve || curve.steps.length === 0) return [];
      return [
        {
          label: isOverlay ? (plan.metrics.length > 1 ? `${name} · ${label}` : name) : label,
          colour: seriesColour(isOverlay ? id : index),
          dash: isOverlay && index > 0 ? [6, 3 + 2 * index] : undefined,
          curve: signed(curve, plan.sign),
        },
      ];
    }),
  );
}

function signed({ steps, mean, min, max }: Curve, sign: -1 | undefined): Curve {
  if (sign === undefined) return { steps, mean, min, max };
  const negated = (values: readonly number[]) => values.map((value) => -value);
  return { steps, mean: negated(mean), min: negated(max), max: negated(min) };
}

/** Per line four columns: most, least, mean and smoothed mean. */
export const columnsPerLine = 4;

export function columnsOf(lines: readonly Line[], { smoothing, logScale }: Look) {
  const curves = lines.flatMap(({ curve: { steps, mean, min, max } }) =>
    [max, min, mean, smooth(steps, mean, smoothing)].map((values) => ({ steps, values })),
  );
  const { steps, columns } = align(curves);
  const drawn = logScale ? columns.map((column) => column.map((value) => (value !== null && value > 0 ? value : null))) : columns; // prettier-ignore
  return [steps, ...drawn] as [number[], ...(number | null)[][]];
}
