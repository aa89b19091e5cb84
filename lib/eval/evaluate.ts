// avg@n of a policy over a data set: n responses to every row, their rewards, means over rows.
import type { Dataset } from "../data/dataset.ts";
import { DataError } from "../errors.ts";
import { type Processor, releasePrompt } from "../processor/processor.ts";
import type { Scorer } from "../reward/reward.ts";
import { scoreGroups } from "../reward/score-groups.ts";
import type { Rollout, RolloutOptions } from "../rollout/rollout.ts";
import type { Example, Prompt, RewardedGroup } from "../types.ts";

export interface EvaluateParts {
  readonly dataset: Dataset;
  readonly processor: Processor;
  readonly rollout: Rollout;
  readonly scorer: Scorer;
}

export interface EvaluateOptions extends Pick<RolloutOptions, "sampling" | "purpose" | "step"> {
  /** Prompts a batch; -1: all. */
  readonly batchSize: number;
  /** Rows to leave out, for evaluations that go on where they stopped. */
  readonly isDone?: (example: Example) => boolean;
  readonly signal?: AbortSignal | undefined;
  /** Responses finished, of all. */
  readonly progress?: (done: number, total: number) => void;
  /** Called with each batch's groups before they are released. */
  readonly onGroups?: (groups: readonly RewardedGroup[]) => void | Promise<void>;
}

export interface EvalResult {
  /** Rows evaluated. */
  readonly numExamples: number;
  /** Responses a row. */
  readonly n: number;
  /** Mean of each reward part over the responses that have it; every row has n responses, so this is avg@n. */
  readonly average: Readonly<Record<string, number>>;
  /** In tokens, of every response. */
  readonly responseLengths: readonly number[];
}

/**
 * Evaluates the rows in order. A row that cannot be read is skipped and counted by the data set.
 * @throws {DataError} when too many rows are unusable
 */
export async function evaluate(parts: EvaluateParts, options: EvaluateOptions): Promise<EvalResult> {
  const { dataset, rollout, scorer } = parts;
  const { n } = options.sampling;
  const batchSize = options.batchSize === -1 ? dataset.length : options.batchSize;
  const sums = new Map<string, { sum: number; count: number }>();
  const responseLengths: number[] = [];
  let numExamples = 0;
  for (let first = 0; first < dataset.length; first += batchSize) {
    const last = Math.min(dataset.length, first + batchSize);
    const prompts = await readPrompts(parts, { first, last }, options);
    if (prompts.length === 0) continue;
    try {
      const groups = await rollout.generate(prompts, {
        ...options,
        progress: (done) => options.progress?.(first * n + done, dataset.length * n),
      });
      const rewarded = await scoreGroups(scorer, groups, options.signal);
      await options.onGroups?.(rewarded);
      numExamples += rewarded.length;
      for (const { rewards, responses } of rewarded) {
        responseLengths.push(...responses.map(({ ids }) => ids.length));
        for (const reward of rewards) {
          for (const [part, value] of Object.entries(reward)) {
            const { sum, count } = sums.get(part) ?? { sum: 0, count: 0 };
            sums.set(part, { sum: sum + value, count: count + 1 });
          }
        }
      }
    } finally {
      for (const prompt of prompts) releasePrompt(prompt);
    }
  }
  const average = Object.fromEntries([...sums].map(([part, { sum, count }]) => [part, sum / count]));
  return { numExamples, n, average, responseLengths };
}

async function readPrompts(
  { dataset, processor }: EvaluateParts,
  rows: { readonly first: number; readonly last: number },
  { signal, isDone }: Pick<EvaluateOptions, "signal" | "isDone">,
): Promise<Prompt[]> {
  const prompts: Prompt[] = [];
  try {
    for (let row = rows.first; row < rows.last; row += 1) {
      signal?.throwIfAborted();
      const prompt = await readPrompt({ dataset, processor }, row, isDone);
      if (prompt) prompts.push(prompt);
    }
    return prompts;
  } catch (error) {
    for (const prompt of prompts) releasePrompt(prompt);
    throw error;
  }
}

/** The prompt of a row; undefined where the row is done already or unusable, which is counted. */
async function readPrompt(
  { dataset, processor }: Pick<EvaluateParts, "dataset" | "processor">,
  row: number,
  isDone: EvaluateOptions["isDone"],
): Promise<Prompt | undefined> {
  try {
    const example = await dataset.read(row);
    if (isDone?.(example)) return undefined;
    const prompt = await processor.prepare(example);
    dataset.skips.accept();
    return prompt;
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    dataset.skips.skip(error);
    return undefined;
  }
}
