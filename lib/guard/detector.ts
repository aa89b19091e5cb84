// What a collapse looks like: the perception KL and the share of clipped tokens run away from their running means, both
// entropies rise, accuracy falls. Pure: a state and a step's metrics in, the next state and the alarms out. The rule of
// what together is a collapse is isCollapse.
// Source: the collapsing run of the paper's Figure 11.
import type { GuardConfig } from "../config/schema.ts";
import type { StepMetrics } from "../types.ts";
import { type Level, levelOf, noTrack, type Track, withCalm, withValue } from "./level.ts";

export const signalNames = ["kl_prcp", "clip_fraction", "entropy", "accuracy"] as const;
export type SignalName = (typeof signalNames)[number];

interface Signal {
  /** All of those that a run has must be out of line. */
  readonly metrics: (metrics: StepMetrics) => readonly string[];
  readonly direction: "rises" | "falls";
  readonly ratio: (config: GuardConfig) => number;
  /** Least mean that `ratio` is taken of. */
  readonly minimum?: (config: GuardConfig) => number;
}

/** Of the perception KL the loss is logged, which is its negative. */
const klPrcpLoss = "actor/kl_prcp_loss";

const signals: Readonly<Record<SignalName, Signal>> = {
  kl_prcp: {
    metrics: () => [klPrcpLoss],
    direction: "rises",
    ratio: ({ thresholds }) => thresholds.klPrcp,
    minimum: ({ minimum }) => minimum.klPrcp,
  },
  clip_fraction: {
    metrics: () => ["actor/pg_clipfrac_higher"],
    direction: "rises",
    ratio: ({ thresholds }) => thresholds.clipFraction,
    minimum: ({ minimum }) => minimum.clipFraction,
  },
  entropy: {
    metrics: () => ["actor/entropy_loss", "actor/aug_entropy_loss"],
    direction: "rises",
    ratio: ({ thresholds }) => thresholds.entropy,
  },
  accuracy: {
    metrics: (metrics) => ["reward/accuracy" in metrics ? "reward/accuracy" : "reward/overall"],
    direction: "falls",
    ratio: ({ thresholds }) => thresholds.accuracy,
  },
};

interface SignalState {
  readonly isAlarm: boolean;
  /** Steps in a row that speak against `isAlarm`. */
  readonly against: number;
}

/** As JSON the same again. */
export interface DetectorState {
  /** By metric. */
  readonly tracks: Readonly<Record<string, Track>>;
  readonly signals: Readonly<Record<SignalName, SignalState>>;
}

const calm: SignalState = { isAlarm: false, against: 0 };

export const initialState: DetectorState = {
  tracks: {},
  signals: { kl_prcp: calm, clip_fraction: calm, entropy: calm, accuracy: calm },
};

/** A signal that a step has a judgement of. */
export interface Reading {
  readonly signal: SignalName;
  /** Of the signal's metrics the one that is least out of line. */
  readonly metric: string;
  /** The metric's level now; of the perception KL itself, nats. */
  readonly value: number;
  readonly mean: number;
  /** `value` over `mean`, which counts as guard.minimum where it is less. */
  readonly ratio: number;
  readonly threshold: number;
  /** How far `value` is beyond `threshold`; the signal speaks when it is above 0. */
  readonly excess: number;
  readonly isAlarm: boolean;
  /** What this step made of the alarm. */
  readonly change: "start" | "end" | undefined;
}

/**
 * The state after a step and the signals that could be judged. A metric that is missing or not finite leaves its signal
 * as it was. While a signal speaks its values enter no running mean.
 * @param step 1-based
 */
export function observe(
  before: DetectorState,
  config: GuardConfig,
  step: number,
  metrics: StepMetrics,
): { state: DetectorState; readings: Reading[] } {
  let state = before;
  const readings: Reading[] = [];
  if (step <= config.warmupSteps) return { state, readings };
  for (const name of signalNames) {
    const watched = signals[name].metrics(metrics).filter((metric) => metric in metrics || metric in state.tracks);
    const values = watched.map((metric) => (metric === klPrcpLoss ? -1 : 1) * (metrics[metric] ?? NaN));
    if (values.length === 0 || !values.every(Number.isFinite)) continue;
    const seen = observeSignal(
      state,
      name,
      config,
      Object.fromEntries(watched.map((metric, at) => [metric, values[at] ?? NaN])),
    );
    state = seen.state;
    if (seen.reading) readings.push(seen.reading);
  }
  return { state, readings };
}

/** @param values of all metrics of the signal, finite */
function observeSignal(
  { tracks: before, signals: states }: DetectorState,
  name: SignalName,
  config: GuardConfig,
  values: Readonly<Record<string, number>>,
): { state: DetectorState; reading: Reading | undefined } {
  const tracks = Object.entries(values).map(
    ([metric, value]) => [metric, withValue(before[metric] ?? noTrack, value, config)] as const,
  );
  const judgement = judge(signals[name], tracks, config);
  const isOut = judgement !== undefined && judgement.excess > 0;
  const signal = judgement ? after(states[name], isOut, config.patience) : states[name];
  const kept = isOut ? tracks : tracks.map(([metric, track]) => [metric, withCalm(track, config)] as const);
  const { isAlarm } = signal;
  const change = isAlarm === states[name].isAlarm ? undefined : isAlarm ? "start" : "end";
  return {
    state: { tracks: { ...before, ...Object.fromEntries(kept) }, signals: { ...states, [name]: signal } },
    reading: judgement && { signal: name, ...judgement, isAlarm, change },
  };
}

/**
 * The rule: the perception KL in alarm together with another signal; where a run has no perception KL, the accuracy
 * together with another. One signal alone has harmless reasons and is only told of.
 */
export function isCollapse({ signals: states, tracks }: DetectorState): boolean {
  const leading: SignalName = klPrcpLoss in tracks ? "kl_prcp" : "accuracy";
  return states[leading].isAlarm && alarmsOf(states).length >= 2;
}

/** The signals that are in alarm. */
export function alarmsOf(states: DetectorState["signals"]): SignalName[] {
  return signalNames.filter((name) => states[name].isAlarm);
}

type Judgement = Omit<Reading, "signal" | "isAlarm" | "change">;

/** Of the signal's metrics the one that is least out of line; undefined while one of them has too few values. */
function judge(
  signal: Signal,
  tracks: readonly (readonly [metric: string, track: Track])[],
  config: GuardConfig,
): Judgement | undefined {
  const all = tracks.map(([metric, track]) => {
    const level = levelOf(track, config);
    return level && judgeLevel(signal, metric, level, config);
  });
  return all.reduce((least, one) => least && one && (one.excess < least.excess ? one : least));
}

function judgeLevel(signal: Signal, metric: string, { value, mean, error }: Level, config: GuardConfig): Judgement {
  const base = Math.max(mean, signal.minimum?.(config) ?? -Infinity);
  const noise = config.thresholds.sigmas * error;
  const ratio = signal.ratio(config);
  const rises = signal.direction === "rises";
  const threshold = rises
    ? Math.max(ratio * base, mean + noise)
    : Math.min(mean - (1 - ratio) * Math.abs(mean), mean - noise);
  return { metric, value, mean, ratio: value / base, threshold, excess: rises ? value - threshold : threshold - value };
}

function after({ isAlarm, against }: SignalState, isOut: boolean, patience: number): SignalState {
  if (isOut === isAlarm) return { isAlarm, against: 0 };
  return against + 1 >= patience ? { isAlarm: isOut, against: 0 } : { isAlarm, against: against + 1 };
}
