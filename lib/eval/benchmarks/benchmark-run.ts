// Evaluates benchmarks: rows -> engine -> graders -> files, in batches that run across benchmarks. What `papo eval
// --benchmarks` does. Each benchmark has its own folder, so that others can be added to an evaluation later.
import { join, resolve } from "node:path";
import { writeFileAtomic } from "../../trainer/durable-file.ts";
import { Progress } from "../../trainer/progress.ts";
import { SkipCounter } from "../../data/skips.ts";
import { EvalFiles, type EvalPaths, evalPaths } from "../eval-files.ts";
import { type Benchmark, benchmarkOf } from "./benchmark.ts";
import type { Engine } from "./engine.ts";
import { Grading } from "./grading.ts";
import { type BenchmarkItem, itemOf } from "./item.ts";
import { joined } from "./joined.ts";
import { openBenchmark, type OpenedBenchmark } from "./open-benchmark.ts";
import { type EvaluationSettings, settingsFingerprint } from "./settings.ts";
import { averagesOf, type BenchmarkSummary, type EvaluationSummary, type RowFacts, summarizeBenchmark } from "./summary.ts"; // prettier-ignore
import { markdownOf } from "./summary-markdown.ts";

export interface BenchmarkRunOptions {
  readonly benchmarks: readonly Benchmark[];
  readonly settings: EvaluationSettings;
  readonly engine: Engine;
  /** Folder for summary.json, summary.md and a folder a benchmark. */
  readonly out: string;
  /** Only the first so many rows of each benchmark; they show as incomplete. */
  readonly limit?: number | undefined;
  readonly acceptRowCounts?: boolean | undefined;
  /** Share of unusable rows, in [0, 1], past which the evaluation ends in an error; default 0.05. */
  readonly maxSkippedShare?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly progress?: Progress | undefined;
}

/**
 * Evaluates what `out` does not hold yet, then summarises these benchmarks. A row's responses depend on the settings
 * and its id alone, so an evaluation that was stopped ends with the same files.
 * @throws {ConfigError} when `out` holds items of other settings or is held by another process
 * @throws {DataError}, {CheckpointError}, {ServerError} as the parts do; rows finished before are kept
 */
export async function runBenchmarks(options: BenchmarkRunOptions): Promise<EvaluationSummary> {
  const { engine, settings, signal } = options;
  const opened = await openAll(options);
  const parts = opened.map((one) => ({ ...one, paths: pathsOf(options.out, one.benchmark), record: recordOf(one, options) })); // prettier-ignore
  for (const { paths, record } of parts) await EvalFiles.check(paths, record);
  const skips = new SkipCounter("the evaluation", options.maxSkippedShare ?? 0.05);
  {
    await using files = await BenchmarkFiles.open(parts);
    await using grading = new Grading({ compat: settings.compat, signal });
    await evaluateRest(opened, { ...options, files, grading, skips });
  }
  const summaries: BenchmarkSummary[] = [];
  for (const part of parts) {
    const summary = await summarizeBenchmark(part.paths.items, factsOf(part, settings));
    await writeJson(part.paths.summary, summary);
    summaries.push(summary);
  }
  const { identity } = engine;
  const averages = averagesOf(summaries);
  const summary: EvaluationSummary = {
    ...{ identity, settings: { ...settings }, settingsFingerprint: settingsFingerprint(settings) },
    ...{ benchmarks: summaries, averages, counters: engine.counters, skipped: skips.reports },
  };
  await writeJson(join(resolve(options.out), "summary.json"), summary);
  await writeFileAtomic(join(resolve(options.out), "summary.md"), markdownOf(summary));
  return summary;
}

async function openAll(options: BenchmarkRunOptions): Promise<OpenedBenchmark[]> {
  const { engine, limit, acceptRowCounts, maxSkippedShare, signal, progress = new Progress() } = options;
  const opened: OpenedBenchmark[] = [];
  for (const benchmark of options.benchmarks) {
    using phase = progress.phase(`reading ${benchmark.id}`, benchmark.rows ?? 1, "rows");
    const onProgress = (done: number) => {
      phase.update(done);
    };
    const fits = (...[example]: Parameters<Engine["fits"]>) => engine.fits(example);
    opened.push(await openBenchmark(benchmark, { fits, limit, acceptRowCounts, maxSkippedShare, signal, onProgress }));
  }
  return opened;
}

interface Evaluating extends BenchmarkRunOptions {
  readonly files: BenchmarkFiles;
  readonly grading: Grading;
  readonly skips: SkipCounter;
}

async function evaluateRest(opened: readonly OpenedBenchmark[], options: Evaluating): Promise<void> {
  const { engine, settings, files, grading, skips, signal, progress = new Progress() } = options;
  const dataset = joined(opened.map((one) => one.dataset));
  let numDone = files.numFinished;
  if (numDone === dataset.length) return;
  using phase = progress.phase("evaluating", dataset.length * settings.n, "responses");
  const graderOf = new Map(opened.map(({ benchmark: { id, grader } }) => [id, grader]));
  const onProgress = (done: number, numTokens: number) => {
    phase.update(numDone * settings.n + done, numTokens);
  };
  const isDone = ({ id }: { readonly id: string }) => files.isFinished(id);
  for await (const batch of engine.generate(dataset, { isDone, skips, signal, onProgress })) {
    const items: BenchmarkItem[] = [];
    for (const generated of batch) {
      const grader = graderOf.get(benchmarkOf(generated.example.id)) ?? "mathruler";
      items.push(itemOf(generated, await grading.grade(grader, generated)));
    }
    await files.append(items);
    numDone += items.length;
  }
}

function pathsOf(out: string, { id }: Benchmark): EvalPaths {
  return evalPaths(join(resolve(out), id));
}

/** All that a benchmark's items depend on. */
function recordOf({ benchmark, rowsSeen }: OpenedBenchmark, { engine, settings, limit }: BenchmarkRunOptions) {
  return { ...engine.identity, ...settings, limit: limit ?? null, rows: rowsSeen, benchmark };
}

function factsOf(opened: OpenedBenchmark, settings: EvaluationSettings): RowFacts {
  const { benchmark, rowsSeen, numOverlong, skipped } = opened;
  const { id, name, group, rows } = benchmark;
  return {
    ...{ id, name, group, rowsExpected: rows ?? null, rowsSeen, numOverlong, n: settings.n, skipped },
    numAsked: opened.dataset.length,
    numUnusable: opened.numSkipped,
    settingsFingerprint: settingsFingerprint(settings, benchmark),
  };
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
}

/** The open item files of an evaluation's benchmarks. */
class BenchmarkFiles implements AsyncDisposable {
  readonly #files = new Map<string, EvalFiles<BenchmarkItem>>();

  static async open(
    parts: readonly (OpenedBenchmark & { paths: EvalPaths; record: Record<string, unknown> })[],
  ): Promise<BenchmarkFiles> {
    // prettier-ignore
    const all = new BenchmarkFiles();
    try {
      for (const { benchmark, paths, record } of parts) {
        const files = await EvalFiles.open<BenchmarkItem>(paths, record);
        all.#files.set(benchmark.id, files);
      }
      return all;
    } catch (error) {
      await all[Symbol.asyncDispose]();
      throw error;
    }
  }

  get numFinished(): number {
    return [...this.#files.values()].reduce((sum, { finished }) => sum + finished.size, 0);
  }

  isFinished(id: string): boolean {
    return this.#files.get(benchmarkOf(id))?.finished.has(id) ?? false;
  }

  async append(items: readonly BenchmarkItem[]): Promise<void> {
    for (const [benchmark, files] of this.#files) {
      const own = items.filter(({ id }) => benchmarkOf(id) === benchmark);
      if (own.length > 0) await files.append(own);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const files of this.#files.values()) await files[Symbol.asyncDispose]();
  }
}
