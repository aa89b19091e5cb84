// What tables and figures are made of: plain results of runs and evaluations, as `papo eval` and a run folder give them.
// Nothing here says how they came about; result-checks.ts says what is accepted.

/** Which run, or which seed of it, a result belongs to. */
export interface RunRef {
  /** For messages: the run's name or folder. */
  readonly id: string;
  /** `method` of a NeededRun (runs.ts), e.g. `grpo`. */
  readonly method: string;
  /** `size` of a NeededRun, e.g. `3B`. */
  readonly size: string;
  readonly seed: number;
  /** Fingerprint of everything that shapes the run but its seed: equal over the seeds of a method and size. */
  readonly settings: string;
  /** Training steps done, and planned; a run is complete when they are equal. Both 0 for an untrained model. */
  readonly step: number;
  readonly steps: number;
}

/** Whether training has not ended; a table then shows no number of the run. */
export function isUnfinished({ step, steps }: RunRef): boolean {
  return step < steps;
}

/** avg@n of one model on one benchmark. */
export interface BenchmarkScore {
  /** Title of the column, e.g. `MathVerse_V`; the paper's spelling where the paper has it. */
  readonly name: string;
  /** `general` or `vision-dependent` in the paper and in the miniature; groups keep the order of their first benchmark. */
  readonly group: string;
  /** Rows that the benchmark has, and rows that were evaluated. */
  readonly rows: number;
  readonly numEvaluated: number;
  /** Responses a row: the n of avg@n. */
  readonly n: number;
  /** Mean over rows of the share of right responses, in %; null as long as `complete` is false. */
  readonly accuracy: number | null;
  /** 95 % interval over rows, in %. */
  readonly interval?: { readonly low: number; readonly high: number };
  readonly complete: boolean;
}

/**
 * Benchmarks that are evaluated together: `main` are the nine columns, or the miniature's; the others have one table
 * each.
 */
export type Suite = "main" | "OCRBench-v2" | "MMLU-Pro";

/** One model on one suite. */
export interface EvaluationResult {
  readonly run: RunRef;
  readonly suite: Suite;
  /** Fingerprint of what shapes the evaluation: sampling, prompt, picture limits, grader. Equal over a table. */
  readonly settings: string;
  readonly benchmarks: readonly BenchmarkScore[];
}

/** One metric over a run. */
export interface Curve {
  /** Strictly increasing training steps. */
  readonly steps: readonly number[];
  /** By step; null where metrics.jsonl holds null (not finite). */
  readonly values: readonly (number | null)[];
}

/** One training run. */
export interface RunResult {
  readonly run: RunRef;
  /** By the names of lib/trainer/metrics.ts: `reward/accuracy`, `timing_s/step` ... */
  readonly curves: Readonly<Record<string, Curve>>;
}

/** What went wrong: the paper's four classes (Fig 1), and responses without a chain or a box. */
export const errorClasses = ["perception", "reasoning", "calculation", "inconsistency", "format"] as const;
export type ErrorClass = (typeof errorClasses)[number];

/** Error classes of one model's responses: by lib/miniature/classify.ts, or labelled by hand (annotations.ts). */
export interface ErrorClassResult {
  readonly run: RunRef;
  /** As in an EvaluationResult: of the evaluation that the responses are from. */
  readonly settings: string;
  /** Where the questions are from. */
  readonly benchmark: string;
  /** Responses by class; right ones count as `correct`. Classes that are left out are 0. */
  readonly counts: Readonly<Partial<Record<ErrorClass | "correct", number>>>;
}

/** Entropy of the attention from response to image tokens, divided by the log of their number: 0 to 1 (Table 9). */
export interface AttentionResult {
  readonly run: RunRef;
  /** Fingerprint of what the attention was measured with. */
  readonly settings: string;
  readonly benchmark: string;
  readonly mean: number;
  readonly median: number;
  readonly numSamples: number;
}

/** All results there are; a table takes those that it needs. */
export interface Results {
  readonly evaluations?: readonly EvaluationResult[];
  readonly runs?: readonly RunResult[];
  readonly errorClasses?: readonly ErrorClassResult[];
  readonly attention?: readonly AttentionResult[];
}
