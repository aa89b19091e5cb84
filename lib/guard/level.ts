// Where one metric is, against where it was: the median of its newest values and the mean of older ones.
import type { GuardConfig } from "../config/schema.ts";

/** Values of one metric, oldest first. */
export interface Track {
  /** The newest, whatever they are; at most guard.window. */
  readonly recent: readonly number[];
  /** Those that were in line; at most guard.reference + guard.lag. */
  readonly calm: readonly number[];
}

export interface Level {
  /** Median of the newest values. */
  readonly value: number;
  /** Mean of the older ones. */
  readonly mean: number;
  /** Standard error of the difference of the two, by the spread of the older ones. */
  readonly error: number;
}

type Windows = Pick<GuardConfig, "window" | "reference" | "lag">;

/** Of normal values: the variance of their median is so many times that of their mean. */
const medianVariance = Math.PI / 2;

export const noTrack: Track = { recent: [], calm: [] };

/** The track with one more value. */
export function withValue(track: Track, value: number, { window }: Windows): Track {
  return { ...track, recent: [...track.recent, value].slice(-window) };
}

/** The track whose newest value was in line, so that means to come contain it. */
export function withCalm(track: Track, { reference, lag }: Windows): Track {
  return { ...track, calm: [...track.calm, ...track.recent.slice(-1)].slice(-(reference + lag)) };
}

/** Undefined as long as there are too few values: three windows, two of them for the mean. */
export function levelOf({ recent, calm }: Track, { window, reference, lag }: Windows): Level | undefined {
  const fewest = Math.min(reference, 2 * window);
  if (recent.length < window || calm.length < fewest + window) return undefined;
  const older = calm.slice(0, Math.max(calm.length - lag, fewest));
  const mean = older.reduce((sum, value) => sum + value, 0) / older.length;
  const variance = older.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (older.length - 1);
  return { value: median(recent), mean, error: Math.sqrt(variance * (medianVariance / window + 1 / older.length)) };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [low = NaN, high = NaN] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.floor(sorted.length / 2)]];
  return (low + high) / 2;
}
