import { setTimeout as sleep } from "node:timers/promises";
import { RewardError } from "../errors.ts";
import type { Reward } from "../types.ts";
import { checkReward } from "./check-rewards.ts";
import type { RewardFunction, RewardItem, Scorer } from "./reward.ts";

export interface FunctionScorerOptions {
  /** Longest time for a batch, in which the function may wait for others. */
  readonly timeoutMs: number;
}

const where = "reward function";

/**
 * Rewards by a program's own function, on the program's thread: calls for a batch are made in order and wait together.
 */
export class FunctionScorer implements Scorer {
  readonly counters = { unboxed: 0, symbolicSkipped: 0 };
  readonly #reward: RewardFunction;
  readonly #options: FunctionScorerOptions;

  constructor(reward: RewardFunction, options: FunctionScorerOptions) {
    this.#reward = reward;
    this.#options = options;
  }

  async score(items: readonly RewardItem[], signal?: AbortSignal): Promise<Reward[]> {
    signal?.throwIfAborted();
    const ended = new AbortController();
    const stop = signal ? AbortSignal.any([signal, ended.signal]) : ended.signal;
    const rewards = Promise.all(items.map((item, index) => this.#one(item, index, stop)));
    try {
      return await Promise.race([rewards, this.#late(stop)]);
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      ended.abort();
      rewards.catch(() => undefined); // what comes after the end has no one to tell
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #one(item: RewardItem, index: number, signal: AbortSignal): Promise<Reward> {
    let reward: unknown;
    try {
      reward = await this.#reward(item, signal);
    } catch (error) {
      const thrown = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      throw new RewardError(`${where}: response ${index} of row ${item.id}: threw ${thrown}`, { cause: error });
    }
    return checkReward(reward, { where, name: `response ${index} of row ${item.id}` });
  }

  async #late(signal: AbortSignal): Promise<never> {
    const { timeoutMs } = this.#options;
    await sleep(timeoutMs, undefined, { signal });
    throw new RewardError(`${where}: no answer within ${timeoutMs} ms (reward.timeoutMs)`);
  }
}
