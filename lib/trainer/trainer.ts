// READ FIRST. One training step as the data flow: rollout batch -> baseline -> update -> metrics. Each noun is a file:
// collect.ts (prompts, responses, rewards), updater.ts (log-probs, advantages, gradients, optimizer). The loop around
// the steps, validation, checkpoints and logging are run-loop.ts.
import type { RunConfig } from "../config/schema.ts";
import type { ExampleStream } from "../data/example-stream.ts";
import { releasePrompt } from "../processor/processor.ts";
import type { Scorer } from "../reward/reward.ts";
import { scoreGroups } from "../reward/score-groups.ts";
import type { Rollout } from "../rollout/rollout.ts";
import type { Prompt, RewardedGroup, StepMetrics } from "../types.ts";
import { Collector, type RolloutBatch } from "./collect.ts";
import type { Progress } from "./progress.ts";
import type { Stepper, TrainedStep } from "./run-loop.ts";
import type { SampledGroup } from "./samples.ts";
import { pickGroups } from "./samples.ts";
import { lengthMetrics, PhaseTimer, rewardMetrics, seqlenMetrics } from "./step-metrics.ts";
import { peakMemoryBytes } from "./system-info.ts";
import type { UpdateResult, Updater } from "./updater.ts";

export interface TrainerParts {
  readonly config: RunConfig;
  readonly stream: ExampleStream;
  readonly rollout: Rollout;
  readonly scorer: Scorer;
  readonly updater: Updater;
  readonly progress: Progress;
  /** A prompt as text for samples. */
  readonly promptText: (prompt: Prompt) => string;
}

export class Trainer implements Stepper {
  readonly #parts: TrainerParts;
  readonly #collector: Collector;
  isMidUpdate = false;

  constructor(parts: TrainerParts) {
    this.#parts = parts;
    this.#collector = new Collector(parts);
  }

  /** One policy step. Logging, checkpoints and evaluation belong to the caller. */
  async step(step: number, signal?: AbortSignal): Promise<TrainedStep> {
    const { stream, updater } = this.#parts;
    const timer = new PhaseTimer();
    const { epoch } = stream;
    const batch = await this.#collector.collect(step, timer, signal);
    try {
      const greedyRewards = await this.#greedyRewards(batch, step, signal);
      this.isMidUpdate = true;
      const result = await updater.update(
        { groups: batch.groups, epoch, step, ...(greedyRewards ? { greedyRewards } : {}) },
        timer,
        signal,
      );
      this.isMidUpdate = false;
      return { metrics: this.#metrics(batch, result, timer, epoch), samples: this.#samples(batch.groups, result) };
    } finally {
      for (const { prompt } of batch.groups) releasePrompt(prompt);
    }
  }

  /** ReMax's baseline: the reward of one greedy response a prompt. */
  async #greedyRewards(batch: RolloutBatch, step: number, signal: AbortSignal | undefined) {
    const { config, rollout, scorer } = this.#parts;
    if (config.algorithm.advantage !== "remax") return undefined;
    const prompts = batch.groups.map(({ prompt }) => prompt);
    const sampling = { n: 1, temperature: 0, topP: 1, topK: -1 };
    const groups = await rollout.generate(prompts, { sampling, purpose: "baseline", step, signal });
    return (await scoreGroups(scorer, groups, signal)).map(({ rewards }) => rewards[0]?.overall ?? 0);
  }

  #metrics(batch: RolloutBatch, result: UpdateResult, timer: PhaseTimer, epoch: number): StepMetrics {
    const { config, stream, scorer } = this.#parts;
    const responses = batch.groups.flatMap((group) => group.responses.map(({ ids }) => ids.length));
    const prompts = batch.groups.map(({ prompt }) => prompt.ids.length);
    const responseTokens = responses.reduce((sum, length) => sum + length, 0);
    // Counted as the reference does: each response with its prompt.
    const totalTokens = responseTokens + config.rollout.n * prompts.reduce((sum, length) => sum + length, 0);
    return {
      ...rewardMetrics(batch.rewards),
      ...result.metrics,
      ...lengthMetrics("response_length", responses, config.data.maxResponseLength),
      ...lengthMetrics("prompt_length", prompts, config.data.maxPromptLength),
      ...seqlenMetrics([totalTokens]),
      ...timer.metrics({ responseTokens, totalTokens }),
      "rollout/rounds": batch.numRounds,
      "rollout/generated_groups": batch.numGenerated,
      "rollout/kept_groups": batch.groups.length,
      "reward/symbolic_skipped": scorer.counters.symbolicSkipped,
      "data/skipped": stream.numSkipped,
      "data/epoch": epoch,
      "perf/peak_cpu_memory_gb": peakMemoryBytes() / 1e9,
    };
  }

  #samples(groups: readonly RewardedGroup[], { advantages, perceptionKl }: UpdateResult): SampledGroup[] {
    const { config, promptText } = this.#parts;
    const { n } = config.rollout;
    return pickGroups(groups.length, config.trainer.samplesPerStep).flatMap((index) => {
      const group = groups[index];
      if (!group) return [];
      const { example } = group.prompt;
      return {
        id: example.id,
        promptText: promptText(group.prompt),
        answer: example.answer,
        numImages: example.images.length,
        responses: group.responses.map(({ text, finishReason, ids: tokens }, response) => ({
          text,
          finishReason,
          numTokens: tokens.length,
          reward: group.rewards[response] ?? { overall: 0 },
          advantage: advantages[index * n + response],
          klPrcp: perceptionKl[index * n + response],
        })),
      };
    });
  }
}
