import { RewardError } from "../errors.ts";
import type { Reward } from "../types.ts";
import { type ModuleOptions, ModuleThread } from "./module-thread.ts";
import type { RewardItem, Scorer } from "./reward.ts";

/** Rewards by a user's module. Batches run one at a time; a thread that had to be stopped is started again. */
export class ModuleScorer implements Scorer {
  readonly counters = { unboxed: 0, symbolicSkipped: 0 };
  private readonly options: ModuleOptions;
  private thread: ModuleThread;
  private previous: Promise<unknown> = Promise.resolve();
  private closed = false;

  private constructor(options: ModuleOptions, thread: ModuleThread) {
    this.options = options;
    this.thread = thread;
  }

  /** @throws {RewardError} when the module is missing, fails while loading or exports no function; the signal's reason */
  static async load(options: ModuleOptions, signal?: AbortSignal): Promise<ModuleScorer> {
    return new ModuleScorer(options, await ModuleThread.start(options, signal));
  }

  score(items: readonly RewardItem[], signal?: AbortSignal): Promise<Reward[]> {
    const run = this.previous.then(() => this.scoreNext(items, signal));
    this.previous = run.catch(() => undefined);
    return run;
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.thread.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private async scoreNext(items: readonly RewardItem[], signal: AbortSignal | undefined): Promise<Reward[]> {
    signal?.throwIfAborted();
    if (this.closed) throw new RewardError(`reward.type ${this.options.path}: the scorer is closed`);
    if (this.thread.ended) this.thread = await ModuleThread.start(this.options, signal);
    const rewards = await this.thread.compute(items, signal);
    return checkRewards(rewards, items.length, this.options.path);
  }
}

/**
 * What a module returned, as rewards: an array of the batch's length, each an object with a finite `overall` and any
 * other finite numbers.
 * @throws {RewardError} naming the index, the part and what came
 */
export function checkRewards(rewards: unknown, numItems: number, path: string): Reward[] {
  const fail = (where: string, rule: string, came: unknown): never => {
    throw new RewardError(`reward.type ${path}: ${where}: expected ${rule}, got ${describe(came)}`);
  };
  if (!Array.isArray(rewards)) return fail("rewards", "an array", rewards);
  if (rewards.length !== numItems) return fail("rewards", `${numItems} of them, one per response`, rewards.length);
  return Array.from(rewards as unknown[], (reward, index) => {
    if (typeof reward !== "object" || reward === null || Array.isArray(reward)) {
      return fail(`rewards[${index}]`, "an object such as { overall: 1 }", reward);
    }
    const { overall } = reward as { overall?: unknown };
    for (const [part, value] of Object.entries({ overall, ...reward })) {
      if (!Number.isFinite(value)) fail(`rewards[${index}].${part}`, "a finite number", value);
    }
    return reward as Reward;
  });
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return "an array";
  if (typeof value === "string") return JSON.stringify(value.slice(0, 80));
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "function" ? "a function" : String(value);
}
