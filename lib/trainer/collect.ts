// One step's rollout batch: prompts, responses, rewards and, with dynamic sampling, as many rounds as it takes to fill
// it with informative groups.
import type { RunConfig } from "../config/schema.ts";
import type { ExampleStream } from "../data/example-stream.ts";
import { RewardError } from "../errors.ts";
import type { CallOptions } from "../native/call.ts";
import { releasePrompt } from "../processor/processor.ts";
import type { Scorer } from "../reward/reward.ts";
import { scoreGroups } from "../reward/score-groups.ts";
import { keepInformative } from "../rollout/filter.ts";
import type { Rollout } from "../rollout/rollout.ts";
import type { Prompt, Reward, RewardedGroup } from "../types.ts";
import type { Progress } from "./progress.ts";
import { ResponseLengths } from "./response-lengths.ts";
import type { PhaseTimer } from "./step-metrics.ts";

export interface CollectParts {
  readonly config: RunConfig;
  readonly stream: ExampleStream;
  readonly rollout: Rollout;
  readonly scorer: Scorer;
  readonly progress: Progress;
}

export interface RolloutBatch {
  /** data.rolloutBatchSize of them; the caller releases their prompts. */
  readonly groups: readonly RewardedGroup[];
  /** Of all generated groups, before filtering. */
  readonly rewards: readonly Reward[];
  readonly numRounds: number;
  readonly numGenerated: number;
}

export class Collector {
  readonly #parts: CollectParts;
  readonly #lengths = new ResponseLengths();

  constructor(parts: CollectParts) {
    this.#parts = parts;
  }

  /**
   * @throws {RewardError} when dynamic sampling finds too few informative groups in algorithm.filter.maxTries rounds
   */
  async collect(step: number, timer: PhaseTimer, signal: AbortSignal | undefined): Promise<RolloutBatch> {
    const { data, algorithm, compat } = this.#parts.config;
    const { filter } = algorithm;
    const kept: RewardedGroup[] = [];
    const rewards: Reward[] = [];
    let numRounds = 0;
    try {
      while (kept.length < data.rolloutBatchSize) {
        if (filter.enabled && filter.maxTries > 0 && numRounds >= filter.maxTries) {
          throw new RewardError(
            `algorithm.filter: ${kept.length} of ${data.rolloutBatchSize} informative groups after ${numRounds} rounds ` +
              "(algorithm.filter.maxTries); the questions are too easy or too hard for the policy",
          );
        }
        const groups = await this.#round(step, timer, signal);
        numRounds += 1;
        rewards.push(...groups.flatMap((group) => group.rewards));
        const informative = filter.enabled ? keepInformative(groups, filter) : groups;
        // Differs: the reference keeps a round without any informative group whole.
        const keep = informative.length === 0 && compat === "reference" ? groups : informative;
        release(groups.filter((group) => !keep.includes(group)));
        kept.push(...keep);
      }
    } catch (error) {
      release(kept);
      throw error;
    }
    release(kept.splice(data.rolloutBatchSize));
    return { groups: kept, rewards, numRounds, numGenerated: rewards.length / this.#parts.config.rollout.n };
  }

  async #round(step: number, timer: PhaseTimer, signal: AbortSignal | undefined): Promise<RewardedGroup[]> {
    const { config, stream, scorer } = this.#parts;
    const size = config.algorithm.filter.enabled ? config.data.miniRolloutBatchSize : config.data.rolloutBatchSize;
    const prompts = await timer.measure("data", () => stream.next(size, signal));
    try {
      const groups = await timer.measure("gen", () => this.#generate(prompts, step, { signal }));
      return await timer.measure("reward", () => scoreGroups(scorer, groups, signal));
    } catch (error) {
      for (const prompt of prompts) releasePrompt(prompt);
      throw error;
    }
  }

  async #generate(prompts: readonly Prompt[], step: number, options: CallOptions) {
    const { config, rollout, progress } = this.#parts;
    using phase = progress.phase("rollout", prompts.length * config.rollout.n, "responses");
    const groups = await rollout.generate(prompts, {
      ...options,
      sampling: config.rollout,
      purpose: "training",
      step,
      progress: (done) => {
        phase.update(done, this.#lengths.estimate(done));
      },
    });
    this.#lengths.add(groups);
    return groups;
  }
}

function release(groups: readonly RewardedGroup[]): void {
  for (const { prompt } of groups) releasePrompt(prompt);
}
