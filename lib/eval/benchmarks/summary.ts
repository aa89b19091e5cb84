// What an evaluation over benchmarks found, from its items: numbers a benchmark, and averages of the groups.
import { mathNormalize } from "../../reward/grader/math-normalize.ts";
import { intervalOf, resampledMeans } from "../bootstrap.ts";
import { readItems } from "../eval-files.ts";
import { majority, passAtK, passKs } from "../scores.ts";
import { type BenchmarkGroup, benchmarkGroups } from "./benchmark.ts";
import { type BenchmarkItem, type GradedResponse, shortHash } from "./item.ts";

/** Numbers of one benchmark; shares and accuracies are in [0, 1]. */
export interface BenchmarkSummary {
  readonly id: string;
  readonly name: string;
  readonly group: BenchmarkGroup;
  /** Rows that the benchmark has to have; null: any number. */
  readonly rowsExpected: number | null;
  /** Rows of the data after the filter. */
  readonly rowsSeen: number;
  /** Rows evaluated: those that the numbers are over. */
  readonly rows: number;
  /** Rows left out: unusable ones, and prompts over the limit. */
  readonly numSkipped: number;
  readonly numOverlong: number;
  /** `file:row: reason` of the first rows that were unusable from the start. */
  readonly skipped: readonly string[];
  /** Every row that was expected, or seen where any number is, has been evaluated. */
  readonly complete: boolean;
  readonly n: number;
  /** Mean over rows of the share of right responses. */
  readonly avgAtN: number;
  /** 95 % bootstrap interval of avgAtN over rows; null without rows. */
  readonly interval: { readonly low: number; readonly high: number } | null;
  /** Share of rows with a right response among n. */
  readonly passAtN: number;
  /** Share of rows whose most frequent answer is right. */
  readonly majorityAtN: number;
  /** pass@k by k, unbiased. */
  readonly passAt: Readonly<Record<string, number>>;
  /** Mean length of a response in tokens; null where no response says. */
  readonly meanTokens: number | null;
  /** Share of responses that the limit cut off. */
  readonly cutShare: number;
  /** Responses without a box, and without any text. */
  readonly numUnboxed: number;
  readonly numWithoutText: number;
  /** Of all settings that the numbers depend on beside the model and the seed. */
  readonly settingsFingerprint: string;
  /** Of the evaluated rows, in any order. */
  readonly rowsFingerprint: string;
}

/** What is known about a benchmark's rows beside its items. */
export interface RowFacts extends Pick<
  BenchmarkSummary,
  "id" | "name" | "group" | "rowsExpected" | "rowsSeen" | "numOverlong" | "n" | "skipped" | "settingsFingerprint"
> {
  /** Rows that were to be asked, and those that could not be from the start. */
  readonly numAsked: number;
  readonly numUnusable: number;
}

/** Unweighted mean over the group's benchmarks. */
export interface GroupAverage {
  readonly benchmarks: readonly string[];
  /** All of them are. */
  readonly complete: boolean;
  readonly avgAtN: number;
  readonly passAtN: number;
  readonly majorityAtN: number;
}

export interface EvaluationSummary {
  /** What answered: engine, model, its weights' fingerprint. */
  readonly identity: Readonly<Record<string, unknown>>;
  readonly settings: Readonly<Record<string, unknown>>;
  /** Of the settings without the seed. */
  readonly settingsFingerprint: string;
  readonly benchmarks: readonly BenchmarkSummary[];
  /** By group and, over all benchmarks, `overall`; only groups that have benchmarks. */
  readonly averages: Readonly<Record<string, GroupAverage>>;
  /** Of the engine, in this call. */
  readonly counters: Readonly<Record<string, number>>;
  /** `file:row: reason` of the first rows that turned out unusable while they were asked. */
  readonly skipped: readonly string[];
}

/**
 * @param file the benchmark's items
 * @throws {DataError} naming a line that is no item
 */
export async function summarizeBenchmark(file: string, facts: RowFacts): Promise<BenchmarkSummary> {
  const { n } = facts;
  const ks = passKs(n);
  const sums = { majority: 0, tokens: 0, counted: 0, cut: 0, unboxed: 0, textless: 0 };
  const passes = new Map(ks.map((k) => [k, 0]));
  const hashes: string[] = [];
  const accuracies: number[] = [];
  for await (const { id, rowHash, responses } of readItems<BenchmarkItem>(file)) {
    hashes.push(`${id} ${rowHash}`);
    const numCorrect = responses.filter(({ correct }) => correct).length;
    accuracies.push(numCorrect / n);
    sums.majority += majority(responses.map(voteOf));
    for (const k of ks) passes.set(k, (passes.get(k) ?? 0) + passAtK(n, numCorrect, k));
    for (const { text, extracted, finishReason, numTokens } of responses) {
      sums.tokens += numTokens ?? 0;
      sums.counted += numTokens === null ? 0 : 1;
      sums.cut += finishReason === "length" ? 1 : 0;
      sums.unboxed += text !== null && extracted === null ? 1 : 0;
      sums.textless += text === null ? 1 : 0;
    }
  }
  const rows = hashes.length;
  const mean = (sum: number) => (rows === 0 ? 0 : sum / rows);
  const { skipped, settingsFingerprint, numAsked, numUnusable, ...known } = facts;
  return {
    ...known,
    rows,
    numSkipped: numUnusable + numAsked - rows,
    complete: rows === (facts.rowsExpected ?? facts.rowsSeen),
    ...averageOver(facts.id, accuracies),
    passAtN: mean(passes.get(n) ?? 0),
    majorityAtN: mean(sums.majority),
    passAt: Object.fromEntries([...passes].map(([k, sum]) => [k, mean(sum)])),
    meanTokens: sums.counted === 0 ? null : sums.tokens / sums.counted,
    cutShare: mean(sums.cut) / n,
    numUnboxed: sums.unboxed,
    numWithoutText: sums.textless,
    skipped,
    settingsFingerprint,
    rowsFingerprint: shortHash(hashes.sort()),
  };
}

function averageOver(id: string, accuracies: readonly number[]): Pick<BenchmarkSummary, "avgAtN" | "interval"> {
  if (accuracies.length === 0) return { avgAtN: 0, interval: null };
  const rows = { id, values: Float64Array.from(accuracies) };
  const { mean, low, high } = intervalOf([rows], [resampledMeans(rows, 10_000, 0)]);
  return { avgAtN: mean, interval: { low, high } };
}

function voteOf({ extracted, correct }: GradedResponse) {
  return { key: extracted === null ? null : mathNormalize(extracted), correct };
}

/** Averages of the groups that have benchmarks, and of all. */
export function averagesOf(benchmarks: readonly BenchmarkSummary[]): Record<string, GroupAverage> {
  const groups: readonly (readonly [string, readonly BenchmarkSummary[]])[] = [
    ...benchmarkGroups.map((group) => [group, benchmarks.filter((benchmark) => benchmark.group === group)] as const),
    ["overall", benchmarks],
  ];
  return Object.fromEntries(groups.filter(([, members]) => members.length > 0).map(([name, members]) => [name, averageOf(members)])); // prettier-ignore
}

function averageOf(members: readonly BenchmarkSummary[]): GroupAverage {
  const mean = (value: (member: BenchmarkSummary) => number) =>
    members.reduce((sum, member) => sum + value(member), 0) / members.length;
  return {
    benchmarks: members.map(({ id }) => id),
    complete: members.every(({ complete }) => complete),
    avgAtN: mean(({ avgAtN }) => avgAtN),
    passAtN: mean(({ passAtN }) => passAtN),
    majorityAtN: mean(({ majorityAtN }) => majorityAtN),
  };
}
