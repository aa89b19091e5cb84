// Rewards of a step's responses: the published math reward or a user's module or function, with overlong shaping on top.
import type { RewardConfig } from "../config/schema.ts";
import { RewardError } from "../errors.ts";
import type { Reward } from "../types.ts";
import { createGrader } from "./answer-grader.ts";
import { FunctionScorer } from "./function-reward.ts";
import { MathScorer } from "./math-reward.ts";
import { ModuleScorer } from "./module-reward.ts";
import { OverlongScorer } from "./overlong.ts";

/** A response to be rewarded. */
export interface RewardItem {
  /** Decoded, special tokens skipped. */
  readonly response: string;
  /** In tokens. */
  readonly responseLength: number;
  readonly problem: string;
  /** The ground truth. */
  readonly answer: string;
  /** The row's other columns. */
  readonly extra: Readonly<Record<string, unknown>>;
  /** The example's id. */
  readonly id: string;
}

/**
 * A program's own reward of one response. A batch's calls are made in order, and those that wait do so together.
 * @param signal aborted when the run stops or the batch is over `reward.timeoutMs`
 */
export type RewardFunction = (item: RewardItem, signal: AbortSignal) => Reward | Promise<Reward>;

/** What a reward module exports as `computeReward`: one reward per item, in order, for a whole batch at once. */
export type ComputeReward = (
  items: readonly RewardItem[],
  kwargs: Readonly<Record<string, unknown>>,
) => Reward[] | Promise<Reward[]>;

/** Counts of responses since the scorer was made. */
export interface RewardCounters {
  /** Without a complete `\boxed{}`. */
  unboxed: number;
  /** Taken as wrong because grading them ran over its limits. */
  symbolicSkipped: number;
}

/** Rewards batches of responses. */
export interface Scorer extends AsyncDisposable {
  /** The built-in reward counts; a module's reward leaves zeros. */
  readonly counters: Readonly<RewardCounters>;
  /**
   * One reward per item, in order.
   * @throws {RewardError} when the user's module or function throws, hangs or returns something else
   * @throws the signal's reason when aborted
   */
  score(items: readonly RewardItem[], signal?: AbortSignal): Promise<Reward[]>;
  /** Ends the threads of a module or of a grader, if there are some. */
  close(): Promise<void>;
}

/** What a reward depends on beside its own settings. */
export interface RewardSurroundings {
  /** "reference" grades a missing box as the string "None". */
  readonly compat: "none" | "reference";
  /** In tokens; overlong shaping counts back from it. */
  readonly maxResponseLength: number;
  /** The program's own, where the type is `function`. */
  readonly reward?: RewardFunction | undefined;
}

/** The type of a reward that is a program's function: such a run goes on by a program that has it. */
export const functionType = "function";

/**
 * The scorer that a run's settings name, ready to use: a module is loaded already.
 * @throws {RewardError} when the module cannot be loaded or exports no function, or the function is not given; the
 *   signal's reason when aborted
 */
export async function createReward(
  config: RewardConfig,
  surroundings: RewardSurroundings,
  signal?: AbortSignal,
): Promise<Scorer> {
  const { overlong } = config;
  const scorer = await scorerOf(config, surroundings, signal);
  if (overlong === null) return scorer;
  return new OverlongScorer(scorer, { ...overlong, maxLength: surroundings.maxResponseLength });
}

async function scorerOf(
  config: RewardConfig,
  surroundings: RewardSurroundings,
  signal: AbortSignal | undefined,
): Promise<Scorer> {
  const { type, timeoutMs, kwargs } = config;
  if (type === "math") return mathScorer(config, surroundings);
  if (type !== functionType) return await ModuleScorer.load({ path: type, timeoutMs, kwargs }, signal);
  if (surroundings.reward) return new FunctionScorer(surroundings.reward, { timeoutMs });
  throw new RewardError(`reward.type ${type}: expected the program's reward function, got none`);
}

function mathScorer(config: RewardConfig, { compat }: RewardSurroundings): Scorer {
  const { grader, graderTimeoutMs, formatWeight, thinking } = config;
  const missingBox = compat === "reference" ? { missingBox: "None" } : {};
  return new MathScorer(createGrader({ grader, timeoutMs: graderTimeoutMs }), {
    formatWeight,
    thinking,
    ...missingBox,
  });
}
