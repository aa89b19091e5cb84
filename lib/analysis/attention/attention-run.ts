// How evenly a model's responses look over their pictures: samples of benchmarks -> responses -> attention -> entropy.
// What `papo attention` does. Each benchmark has its own folder, as in an evaluation.
import { join, resolve } from "node:path";
import { pathOrId } from "../../config/paths.ts";
import type { Dataset } from "../../data/dataset.ts";
import { SkipCounter } from "../../data/skips.ts";
import { DataError } from "../../errors.ts";
import type { Benchmark } from "../../eval/benchmarks/benchmark.ts";
import { samplingSettings } from "../../eval/benchmarks/local-engine.ts";
import { openBenchmark, type OpenedBenchmark } from "../../eval/benchmarks/open-benchmark.ts";
import { EvalFiles, type EvalPaths, evalPaths } from "../../eval/eval-files.ts";
import { fingerprint } from "../../eval/fingerprint.ts";
import { type OpenedModel, type OpenedProcessor, openModel, openProcessor, type SamplingSettings } from "../../eval/open-model.ts"; // prettier-ignore
import { PromptBatches } from "../../eval/prompt-batches.ts";
import { writeFileAtomic } from "../../trainer/durable-file.ts";
import { Progress } from "../../trainer/progress.ts";
import { pickGroups } from "../../trainer/samples.ts";
import type { Example, Group } from "../../types.ts";
import { type AttentionItem, attentionItem } from "./attention-item.ts";
import { attentionFingerprint, type AttentionSettings, type AttentionSummary, summarizeAttention } from "./attention-summary.ts"; // prettier-ignore
import { imageAttention } from "./image-attention.ts";

export interface AttentionOptions extends Pick<SamplingSettings, "dtype" | "device" | "threads"> {
  /** A checkpoint folder or a hub id. */
  readonly model: string;
  readonly benchmarks: readonly Benchmark[];
  /** How the one response a row is sampled. */
  readonly settings: AttentionSettings;
  /** Rows of each benchmark, evenly over those that can be used. */
  readonly samples: number;
  /** Folder for summary.json and a folder a benchmark. */
  readonly out: string;
  /** Rows generated together; default 32. */
  readonly batchSize?: number | undefined;
  readonly acceptRowCounts?: boolean | undefined;
  /** Share of unusable rows, in [0, 1], past which it ends in an error; default 0.05. */
  readonly maxSkippedShare?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly progress?: Progress | undefined;
}

/** A benchmark with the rows that are picked. */
interface Picked {
  readonly opened: OpenedBenchmark;
  readonly rows: Dataset;
  readonly skips: SkipCounter;
  readonly paths: EvalPaths;
  /** All that its items depend on. */
  readonly record: Readonly<Record<string, unknown>>;
}

/**
 * Measures what `out` does not hold yet, then summarises. A row's response depends on the settings and its id alone, so
 * an analysis that was stopped ends with the same numbers.
 * @throws {ConfigError} when `out` holds items of other settings or is held by another process
 * @throws {DataError}, {CheckpointError} as the parts do; rows finished before are kept
 */
export async function runAttention(options: AttentionOptions): Promise<AttentionSummary> {
  const { model, settings, samples, signal, dtype = "auto", device = "cpu" } = options;
  const sampling = samplingSettings(settings, options);
  const processing = await openProcessor(model, sampling, signal);
  const weights = await fingerprint(processing.dir);
  const identity = { model: pathOrId(model, process.cwd()), weights, dtype, device };
  const picked: Picked[] = [];
  for (const benchmark of options.benchmarks) picked.push(await pick(benchmark, processing, { ...options, identity }));
  for (const { paths, record } of picked) await EvalFiles.check(paths, record);
  {
    using lazy = new LazyModel(() => openModel(processing, sampling, signal));
    for (const one of picked) await measure(one, processing, { ...options, lazy });
  }
  const benchmarks = [];
  for (const one of picked) benchmarks.push(await summarizeAttention(one.paths.items, factsOf(one)));
  const settingsFingerprint = attentionFingerprint(settings, samples);
  const summary: AttentionSummary = { identity, settings, samples, settingsFingerprint, benchmarks };
  await writeFileAtomic(join(resolve(options.out), "summary.json"), `${JSON.stringify(summary, null, 2)}\n`);
  return summary;
}

async function pick(
  benchmark: Benchmark,
  { processor }: OpenedProcessor,
  options: AttentionOptions & { readonly identity: Readonly<Record<string, unknown>> },
): Promise<Picked> {
  const { settings, samples, acceptRowCounts, maxSkippedShare = 0.05, signal, progress = new Progress() } = options;
  using phase = progress.phase(`reading ${benchmark.id}`, benchmark.rows ?? 1, "rows");
  const opened = await openBenchmark(benchmark, {
    ...{ acceptRowCounts, maxSkippedShare, signal },
    fits: async (example) => {
      if (example.images.length === 0) throw rowError(example, "expected a picture, got none");
      return (await processor.promptLength(example)) <= settings.maxPromptTokens;
    },
    onProgress: (done) => {
      phase.update(done);
    },
  });
  const { dataset, rowsSeen } = opened;
  return {
    opened,
    rows: rowsAt(dataset, pickGroups(dataset.length, samples)),
    skips: new SkipCounter(dataset.name, maxSkippedShare),
    paths: evalPaths(join(resolve(options.out), benchmark.id)),
    record: { ...options.identity, ...settings, samples, rows: rowsSeen, benchmark },
  };
}

function rowsAt(dataset: Dataset, indices: readonly number[]): Dataset {
  const { name, skips } = dataset;
  return { name, skips, length: indices.length, read: (index) => dataset.read(indices[index] ?? -1) };
}

interface Measuring extends AttentionOptions {
  readonly lazy: LazyModel;
}

async function measure(
  { opened, rows, skips, paths, record }: Picked,
  { processor }: OpenedProcessor,
  options: Measuring,
) {
  // prettier-ignore
  const { settings, lazy, signal, batchSize = 32, progress = new Progress() } = options;
  await using files = await EvalFiles.open<AttentionItem>(paths, record);
  let numDone = files.finished.size;
  if (numDone === rows.length) return;
  const { policy, rollout } = await lazy.model();
  using phase = progress.phase(`attention of ${opened.benchmark.id}`, rows.length, "responses");
  phase.update(numDone);
  const isDone = ({ id }: Example) => files.finished.has(id);
  for await (const { prompts } of new PromptBatches(rows, processor, { batchSize, isDone, skips, signal })) {
    const groups = await rollout.generate(prompts, {
      ...{ sampling: settings, purpose: "validation", step: 0, signal },
      progress: (done) => {
        phase.update(numDone + done);
      },
    });
    const attention = await imageAttention(policy, groups, { signal });
    await files.append(groups.flatMap((group, index) => itemsOf(group, attention[index] ?? [], skips)));
    numDone += groups.length;
  }
}

/** None for a picture of one token, which is counted. */
function itemsOf(
  { prompt, responses }: Group,
  attention: readonly Float64Array[],
  skips: SkipCounter,
): AttentionItem[] {
  // prettier-ignore
  return responses.flatMap((response, index) => {
    const weights = attention[index] ?? new Float64Array();
    if (weights.length > 1) return [attentionItem(prompt.example, response, weights)];
    skips.skip(rowError(prompt.example, "expected two image tokens or more, got one: nothing to spread over"));
    return [];
  });
}

function factsOf({ opened, rows, skips }: Picked) {
  const { benchmark, numSkipped, numOverlong, skipped } = opened;
  return {
    ...{ id: benchmark.id, benchmark: benchmark.name, numPicked: rows.length, numOverlong },
    numSkipped: numSkipped + skips.skipped,
    skipped: [...skipped, ...skips.reports],
  };
}

function rowError({ file, row }: Example, text: string): DataError {
  return new DataError(file, row, text);
}

/** A model that is loaded when it is first needed: not where all items are there. */
class LazyModel implements Disposable {
  readonly #open: () => Promise<OpenedModel>;
  #opened: OpenedModel | undefined;

  constructor(open: () => Promise<OpenedModel>) {
    this.#open = open;
  }

  async model(): Promise<OpenedModel> {
    this.#opened ??= await this.#open();
    return this.#opened;
  }

  [Symbol.dispose](): void {
    this.#opened?.[Symbol.dispose]();
  }
}
