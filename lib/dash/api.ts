// What the server and the page say to each other. Everything in it comes from files that the page does not trust.
import type { RunOutcome } from "../trainer/run-outcome.ts";

export type RunStatus =
  /** A process holds the folder. */
  | "running"
  /** None does, and status.json says how it ended; ended: it does not. */
  | RunOutcome
  | "ended"
  /** The folder is not there (any more). */
  | "gone";

export interface MetricInfo {
  readonly name: string;
  /** Of lib/trainer/metrics.ts; "" for a metric that it does not list. */
  readonly unit: string;
  /** Values that were not finite, which no curve shows. */
  readonly numNonFinite: number;
}

/** A line of alarms.jsonl: what the guard against collapse saw and did. */
export interface Alarm {
  readonly step: number;
  readonly signal: string;
  /** start, again or end. */
  readonly event: string;
  /** What was done: warn, backoff or stop; "" at an end. */
  readonly action: string;
  /** What the signal was judged by; "" for a collapse. */
  readonly metric: string;
  readonly value: number | null;
  readonly mean: number | null;
  readonly threshold: number | null;
  /** Of a collapse: the signals that make it one. */
  readonly signals: readonly string[];
  /** Of a backoff: what the configured weight of the perception KL is multiplied by from here on. */
  readonly klPrcpFactor: number | null;
}

export interface RunSummary {
  readonly id: number;
  readonly name: string;
  readonly folder: string;
  readonly status: RunStatus;
  /** Another one whenever the rows read so far are not the file's any more. */
  readonly generation: string;
  readonly numRows: number;
  readonly lastStep: number | null;
  readonly totalSteps: number | null;
  /** Share of metrics.jsonl that is read, in [0, 1]. */
  readonly readShare: number;
  readonly metrics: readonly MetricInfo[];
  readonly alarms: readonly Alarm[];
  /** Lines of metrics.jsonl that are not shown: broken ones, and those of a step before the last one. */
  readonly numBadLines: number;
  readonly numEarlier: number;
}

export interface RunList {
  readonly runs: readonly RunSummary[];
}

/** Points of equal index belong together; where a part of the curve is one value, all three are that. */
export interface SeriesData {
  readonly steps: readonly number[];
  readonly mean: readonly number[];
  readonly min: readonly number[];
  readonly max: readonly number[];
  readonly count: number;
}

export interface SeriesReply {
  readonly generation: string;
  /** Rows of the run when this was taken: events tell what came after. */
  readonly numRows: number;
  readonly series: Readonly<Record<string, SeriesData>>;
}

/** An event `rows`: what a run got. */
export interface RowsEvent {
  readonly run: number;
  readonly generation: string;
  /** Index of the first row. */
  readonly first: number;
  readonly rows: readonly { readonly step: number; readonly values: Readonly<Record<string, number>> }[];
}

export interface SampleFile {
  /** `step-000120` or `val-step-000120`. */
  readonly name: string;
  readonly step: number;
  readonly kind: "training" | "validation";
}

export interface SampleResponse {
  readonly text: string;
  readonly finishReason: string;
  readonly numTokens: number | null;
  readonly advantage: number | null;
  readonly klPrcp: number | null;
  readonly klRef: number | null;
  readonly reward: Readonly<Record<string, number>>;
  /** [R], all of one length; empty where the run did not write them. */
  readonly tokens: readonly string[];
  readonly logProbs: readonly number[];
  /** [R], or empty. */
  readonly maskedLogProbs: readonly number[];
}

export interface SamplePicture {
  readonly plain: string;
  /** One for the group, or one a response. */
  readonly masked: readonly string[];
}

export interface SampleGroup {
  readonly id: string;
  readonly promptText: string;
  readonly answer: string;
  readonly numImages: number;
  readonly pictures: readonly SamplePicture[];
  readonly responses: readonly SampleResponse[];
}

export interface SamplesReply {
  readonly groups: readonly SampleGroup[];
  readonly numBadLines: number;
}

/** One number of a table, with its 95 % interval over rows where it is known. */
export interface Score {
  readonly value: number;
  readonly low: number | null;
  readonly high: number | null;
  /** Every row was evaluated. */
  readonly complete: boolean;
}

export interface EvaluationRow {
  readonly name: string;
  readonly folder: string;
  readonly model: string;
  /** Of what makes scores comparable; rows of different ones are not. */
  readonly settings: string;
  /** By measure (`avg@8`, `pass@8`, ...), then by column. */
  readonly measures: Readonly<Record<string, Readonly<Record<string, Score>>>>;
}

export interface EvaluationsReply {
  readonly evaluations: readonly EvaluationRow[];
}

export interface ConfigReply {
  readonly runs: readonly {
    readonly run: number;
    /** By dotted key, as JSON; also git and build. Empty without a readable config.json. */
    readonly settings: Readonly<Record<string, string>>;
  }[];
}
