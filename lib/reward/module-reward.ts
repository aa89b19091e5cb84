import { RewardError } from "../errors.ts";
import type { Reward } from "../types.ts";
import { checkRewards } from "./check-rewards.ts";
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
