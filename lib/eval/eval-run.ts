// avg@n of a checkpoint over a data set, written row by row so that a run that was stopped goes on where it was: what
// `papo eval` does. The loop over batches is evaluate.ts, the files eval-files.ts.
import { resolve } from "node:path";
import { dataPath, pathOrId } from "../config/paths.ts";
import { rewardSchema } from "../config/schema-rollout.ts";
import { type Dataset, type DatasetOptions, openDataset } from "../data/dataset.ts";
import { selectRows } from "../data/select.ts";
import { stoppable } from "../native/stoppable.ts";
import type { Processor } from "../processor/processor.ts";
import type { GraderName } from "../reward/grader-names.ts";
import { lastBoxed } from "../reward/grader/boxed.ts";
import { createReward, functionType, type RewardFunction } from "../reward/reward.ts";
import { Progress } from "../trainer/progress.ts";
import type { RewardedGroup } from "../types.ts";
import { EvalFiles, type EvalItem, evalPaths, type EvalSummary, summarize } from "./eval-files.ts";
import { evaluate } from "./evaluate.ts";
import { fingerprint } from "./fingerprint.ts";
import { openModel, openProcessor, type SamplingSettings } from "./open-model.ts";

export interface EvalOptions extends SamplingSettings {
  /** A checkpoint folder or a hub id. */
  readonly model: string;
  /** A data set as openDataset takes it. */
  readonly data: string;
  /** A folder for items.jsonl, settings.json and summary.json, or the .jsonl file with the others beside it. */
  readonly out: string;
  /** Prompts generated together; default 32. */
  readonly batchSize?: number | undefined;
  /** Only the data set's first so many rows. */
  readonly limit?: number | undefined;
  /** `math` (default), a module's path, or a function; an evaluation that goes on is taken to have the same function. */
  readonly reward?: string | RewardFunction | undefined;
  /** Of the math reward; default mathruler. */
  readonly grader?: GraderName | undefined;
  readonly formatWeight?: number | undefined;
  /** Columns and where relative picture paths start. */
  readonly dataset?: DatasetOptions | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly progress?: Progress | undefined;
}

/** Settings with their defaults: all that the responses and rewards depend on. */
function settingsOf(options: EvalOptions) {
  const { reward = "math", grader = "mathruler", formatWeight = 0.1, dataset = {} } = options;
  return {
    model: pathOrId(options.model, process.cwd()),
    data: dataPath(options.data, process.cwd()),
    limit: options.limit ?? null,
    columns: { ...dataset },
    n: options.n ?? 1,
    temperature: options.temperature ?? 1,
    topP: options.topP ?? 1,
    topK: options.topK ?? -1,
    maxTokens: options.maxTokens ?? 512,
    maxPromptTokens: options.maxPromptTokens ?? 32_768,
    seed: options.seed ?? 0,
    dtype: options.dtype ?? "auto",
    device: options.device ?? "cpu",
    reward: rewardOf(reward, { grader, formatWeight }),
    formatPrompt: options.formatPrompt ?? null,
    system: options.system ?? null,
    minPixels: options.minPixels ?? null,
    maxPixels: options.maxPixels ?? null,
  };
}

function rewardOf(
  reward: string | RewardFunction,
  ofMath: { readonly grader: GraderName; readonly formatWeight: number },
) {
  if (typeof reward === "function") return { type: functionType };
  return reward === "math" ? { type: "math", ...ofMath } : { type: resolve(reward) };
}

/**
 * Evaluates what `out` does not hold yet, then writes the summary over all of it. A row's responses depend on the
 * settings and its id alone, so a run that was stopped ends with the same numbers.
 * @throws {ConfigError} when `out` holds rows of other settings or is held by another process
 * @throws {DataError}, {CheckpointError}, {RewardError} as the parts do, the signal's reason when aborted; rows finished
 *   before are kept
 */
export async function runEvaluation(options: EvalOptions): Promise<EvalSummary> {
  return await stoppable(options.signal, () => evaluateRest(options));
}

async function evaluateRest(options: EvalOptions): Promise<EvalSummary> {
  const { signal, limit, progress = new Progress() } = options;
  const settings = settingsOf(options);
  const opened = await openProcessor(options.model, options, signal);
  const whole = await openDataset(options.data, { ...options.dataset, hub: signal ? { signal } : {} });
  const record = { ...settings, weights: await fingerprint(opened.dir), rows: whole.length };
  const reward = typeof options.reward === "function" ? options.reward : undefined;
  const surroundings = { compat: "none", maxResponseLength: settings.maxTokens, reward } as const;
  await using scorer = await createReward(rewardSchema.parse(settings.reward), surroundings, signal);
  await EvalFiles.check(evalPaths(options.out), record);
  const dataset = await shortEnough(firstRows(whole, limit), opened.processor, { settings, progress, signal });
  using model = await openModel(opened, options, signal);
  await using files = await EvalFiles.open(evalPaths(options.out), record);
  using phase = progress.phase("evaluating", dataset.length * settings.n, "responses");
  const { skips: unreadable } = await evaluate(
    { dataset, processor: opened.processor, rollout: model.rollout, scorer },
    {
      sampling: settings,
      purpose: "validation",
      step: 0,
      batchSize: options.batchSize ?? 32,
      maxSkippedShare: options.dataset?.maxSkippedShare,
      isDone: ({ id }) => files.finished.has(id),
      signal,
      progress: (done, _total, numTokens) => {
        phase.update(done, numTokens);
      },
      onGroups: (groups) => files.append(groups.map((group) => itemOf(group, opened.processor))),
    },
  );
  const { skips, numDropped } = dataset;
  return await summarize(evalPaths(options.out), {
    n: settings.n,
    numSkipped: skips.skipped + unreadable.skipped,
    numOverlong: numDropped,
    skipped: [...skips.reports, ...unreadable.reports],
  });
}

function firstRows(dataset: Dataset, limit: number | undefined): Dataset {
  if (limit === undefined || limit >= dataset.length) return dataset;
  const { name, skips } = dataset;
  return { name, skips, length: limit, read: (index) => dataset.read(index) };
}

/** The rows that can be used and whose prompts are within the limit. */
async function shortEnough(
  dataset: Dataset,
  processor: Processor,
  how: { settings: { maxPromptTokens: number }; progress: Progress; signal: AbortSignal | undefined },
) {
  using phase = how.progress.phase("reading", dataset.length, "rows");
  return await selectRows(dataset, {
    keep: async (example) => (await processor.promptLength(example)) <= how.settings.maxPromptTokens,
    ...(how.signal ? { signal: how.signal } : {}),
    onProgress: (done) => {
      phase.update(done);
    },
  });
}

function itemOf({ prompt, responses, rewards }: RewardedGroup, processor: Processor): EvalItem {
  const { id, file, row, answer, images } = prompt.example;
  return {
    id,
    file,
    row,
    prompt: processor.promptText(prompt),
    numImages: images.length,
    answer,
    responses: responses.map(({ text, finishReason, ids }, index) => ({
      text,
      extracted: lastBoxed(text) ?? null,
      finishReason,
      numTokens: ids.length,
      reward: rewards[index] ?? { overall: 0 },
    })),
  };
}
