// Metrics of made-up runs: the shapes of the paper's Figure 11, with the noise of a step.
import { runConfigOf } from "../../lib/config/load.ts";
import type { GuardConfig } from "../../lib/config/schema.ts";
import { alarmsOf, type DetectorState, initialState, isCollapse, observe } from "../../lib/guard/detector.ts";
import { RandomStream } from "../../lib/miniature/random.ts";
import type { StepMetrics } from "../../lib/types.ts";

export function guardConfig(guard: object = {}): GuardConfig {
  return runConfigOf({ model: { path: "x" }, rollout: { n: 5 }, algorithm: { klPrcp: { enabled: true } }, guard })
    .guard;
}

type Points = readonly (readonly [step: number, value: number])[];

/** The line through the points, or the exponential. */
function between(step: number, points: Points, shape: "line" | "exponential" = "line"): number {
  const next = points.findIndex(([at]) => at >= step);
  const [x1, y1] = points.at(next) ?? [0, NaN];
  const [x0, y0] = points[next - 1] ?? [0, y1];
  if (next <= 0) return y1;
  const share = (step - x0) / (x1 - x0);
  return shape === "line" ? y0 + (y1 - y0) * share : y0 * (y1 / y0) ** share;
}

export type Run = (step: number, normal: () => number) => StepMetrics;

/** gamma = 0.01 at 7B: the perception loss stays between -0.03 and -0.08. */
export const stable: Run = (step, normal) => ({
  "actor/kl_prcp_loss":
    -between(step, [
      [1, 0.03],
      [60, 0.05],
      [200, 0.08],
    ]) * Math.exp(0.15 * normal()),
  "actor/pg_clipfrac_higher": 0.0006 * Math.exp(0.3 * normal()),
  "actor/entropy_loss":
    between(step, [
      [1, 0.3],
      [200, 0.35],
    ]) * Math.exp(0.05 * normal()),
  "actor/aug_entropy_loss":
    between(step, [
      [1, 0.4],
      [200, 0.45],
    ]) * Math.exp(0.05 * normal()),
  "reward/accuracy":
    between(step, [
      [1, 0.4],
      [60, 0.57],
      [200, 0.65],
    ]) +
    0.018 * normal(),
});

/** gamma = 0.02 without entropy terms; the figure does not tell a line from an exponential. */
export const collapsing =
  (shape: "line" | "exponential"): Run =>
  (step, normal) => ({
    "actor/kl_prcp_loss":
      -between(
        step,
        [
          [1, 0.03],
          [60, 0.05],
          [125, 0.06],
          [175, 0.9],
        ],
        shape,
      ) * Math.exp(0.15 * normal()),
    "actor/pg_clipfrac_higher":
      between(
        step,
        [
          [1, 0.0006],
          [125, 0.0006],
          [175, 0.007],
        ],
        shape,
      ) * Math.exp(0.3 * normal()),
    "actor/entropy_loss":
      between(step, [
        [1, 0.3],
        [110, 0.33],
        [150, 0.2],
        [185, 0.41],
      ]) * Math.exp(0.05 * normal()),
    "actor/aug_entropy_loss":
      between(step, [
        [1, 0.4],
        [125, 0.4],
        [175, 1.3],
      ]) * Math.exp(0.05 * normal()),
    "reward/accuracy":
      between(step, [
        [1, 0.4],
        [60, 0.57],
        [130, 0.638],
        [186, 0.57],
      ]) +
      0.018 * normal(),
  });

/** The miniature's small batches: nothing moves, everything is noisy. */
export const noisy: Run = (_, normal) => ({
  "actor/kl_prcp_loss": -0.5 * Math.exp(0.3 * normal()),
  "actor/pg_clipfrac_higher": Math.max(0, 0.002 + 0.003 * normal()),
  "actor/entropy_loss": 0.05 * Math.exp(0.4 * normal()),
  "actor/aug_entropy_loss": 0.8 * Math.exp(0.3 * normal()),
  "reward/accuracy": 0.5 + 0.07 * normal(),
});

export interface Watched {
  /** First step by signal, and of the collapse. */
  readonly first: Readonly<Record<string, number>>;
  readonly state: DetectorState;
  /** The running mean that the perception KL was last held against. */
  readonly klPrcpMean: number;
}

/** What the detector finds in 200 steps of a run. */
export function watch(run: Run, seed: number, config: GuardConfig = guardConfig()): Watched {
  const random = new RandomStream("guard", seed);
  const first: Record<string, number> = {};
  let state = initialState;
  let klPrcpMean = NaN;
  for (let step = 1; step <= 200; step += 1) {
    const seen = observe(
      state,
      config,
      step,
      run(step, () => random.normal()),
    );
    state = seen.state;
    klPrcpMean = seen.readings.find(({ signal }) => signal === "kl_prcp")?.mean ?? klPrcpMean;
    for (const name of alarmsOf(state.signals)) first[name] ??= step;
    if (isCollapse(state)) first["collapse"] ??= step;
  }
  return { first, state, klPrcpMean };
}
