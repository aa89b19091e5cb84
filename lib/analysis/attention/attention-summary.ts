// What the attention analysis found, from its items, and as tables take it.
import { shortHash } from "../../eval/benchmarks/item.ts";
import { type EvaluationSettings, settingsFingerprint } from "../../eval/benchmarks/settings.ts";
import { readItems } from "../../eval/eval-files.ts";
import { mean } from "../../tables/statistics.ts";
import type { AttentionResult, RunRef } from "../../tables/results.ts";
import type { AttentionItem } from "./attention-item.ts";

/** One response a row. */
export interface AttentionSettings extends EvaluationSettings {
  readonly n: 1;
}

/** Numbers of one benchmark over its samples; null without samples. */
export interface BenchmarkAttention {
  readonly id: string;
  /** The benchmark's title. */
  readonly benchmark: string;
  /** Of the normalised entropies, in [0, 1]. */
  readonly mean: number | null;
  readonly median: number | null;
  /** Of the shares of attention that go to image tokens, in [0, 1]. */
  readonly meanImageShare: number | null;
  readonly numSamples: number;
  /** Every row that was picked has been measured. */
  readonly complete: boolean;
  /** Rows left out: unusable ones (of the whole data, and of those picked), and prompts over the limit. */
  readonly numSkipped: number;
  readonly numOverlong: number;
  /** `file:row: reason` of the first unusable ones. */
  readonly skipped: readonly string[];
}

export interface AttentionSummary {
  /** What answered: model, its weights' fingerprint, type and device. */
  readonly identity: Readonly<Record<string, unknown>>;
  readonly settings: AttentionSettings;
  /** Rows asked for of each benchmark. */
  readonly samples: number;
  /** Of all that the numbers depend on beside the model, the seed and the rows. */
  readonly settingsFingerprint: string;
  readonly benchmarks: readonly BenchmarkAttention[];
}

export function attentionFingerprint(settings: AttentionSettings, samples: number): string {
  return shortHash([settingsFingerprint(settings), samples]);
}

/**
 * @param file the benchmark's items
 * @throws {DataError} naming a line that is no item
 */
export async function summarizeAttention(
  file: string,
  facts: Pick<BenchmarkAttention, "id" | "benchmark" | "numSkipped" | "numOverlong" | "skipped"> & {
    readonly numPicked: number;
  },
): Promise<BenchmarkAttention> {
  const { id, benchmark, numPicked, ...left } = facts;
  const entropies: number[] = [];
  const shares: number[] = [];
  for await (const { responses } of readItems<AttentionItem>(file)) {
    entropies.push(...responses.map(({ entropy }) => entropy));
    shares.push(...responses.map(({ imageShare }) => imageShare));
  }
  const numSamples = entropies.length;
  const found = numSamples === 0 ? none : { mean: mean(entropies), median: median(entropies), meanImageShare: mean(shares) }; // prettier-ignore
  return { id, benchmark, ...found, numSamples, complete: numSamples === numPicked, ...left };
}

const none = { mean: null, median: null, meanImageShare: null };

/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return mean([sorted[Math.floor(middle)] ?? NaN, sorted[Math.ceil(middle)] ?? NaN]);
}

/** The benchmarks that have samples as Table 9 takes them. */
export function attentionResults(summary: AttentionSummary, run: RunRef): AttentionResult[] {
  return summary.benchmarks.flatMap(({ benchmark, mean: average, median: middle, numSamples }) =>
    average === null || middle === null
      ? []
      : [{ run, settings: summary.settingsFingerprint, benchmark, mean: average, median: middle, numSamples }],
  );
}
