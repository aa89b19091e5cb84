// READ FIRST. One training step as the data flow: rollout batch -> baseline -> update -> metrics. Each noun is a file:
// collect.ts (prompts, responses, rewards), updater.ts (log-probs, advantages, gradients, optimizer). The loop around
// the steps, validation, checkpoints and logging are run-loop.ts.
import { maskedView } from "../algorithm/augment.ts";
import { needsAugLogProbs } from "../algorithm/loss-spec.ts";
import type { RunConfig } from "../config/schema.ts";
import type { ExampleStream } from "../data/example-stream.ts";
import { deviceName } from "../native/device-name.ts";
import type { ModelConfig } from "../policy/model-config.ts";
import { releasePrompt } from "../processor/processor.ts";
import type { Scorer } from "../reward/reward.ts";
import { scoreGroups } from "../reward/score-groups.ts";
import type { Rollout } from "../rollout/rollout.ts";
import type { Prompt, RewardedGroup, StepMetrics } from "../types.ts";
import { Collector, type RolloutBatch } from "./collect.ts";
import type { FlopMeter } from "./flop-meter.ts";
import type { Progress } from "./progress.ts";
import type { Stepper, TrainedStep } from "./loop-parts.ts";
import type { SampledGroup } from "./samples.ts";
import { sampledPictures } from "./sample-pictures.ts";
import { pickGroups, sampledGroup, sampledTokens } from "./samples.ts";
import { lengthMetrics, PhaseTimer, rewardMetrics, seqlenMetrics } from "./step-metrics.ts";
import { memoryMetrics } from "./system-info.ts";
import type { UpdateResult, Updater } from "./updater.ts";

export interface TrainerParts {
  readonly config: RunConfig;
  readonly stream: ExampleStream;
  readonly rollout: Rollout;
  readonly scorer: Scorer;
  readonly updater: Updater;
  readonly progress: Progress;
  readonly flopMeter: FlopMeter;
  /** The most bytes of tensors since it was last called. */
  readonly takePeak: () => Promise<number>;
  /** Of the policy. */
  readonly modelConfig: ModelConfig;
  /** A prompt as text for samples. */
  readonly promptText: (prompt: Prompt) => string;
  /** [R] Text of each sampled id. */
  readonly tokenTexts: (ids: ArrayLike<number>) => string[];
}

/** Running totals, of which a step reports what it added. */
interface Counters {
  readonly symbolicSkipped: number;
  readonly numSkipped: number;
}

export class Trainer implements Stepper {
  readonly #parts: TrainerParts;
  readonly #collector: Collector;

  constructor(parts: TrainerParts) {
    this.#parts = parts;
    this.#collector = new Collector(parts);
  }

  get isMidUpdate(): boolean {
    return this.#parts.updater.isMidUpdate;
  }

  /** One policy step. Logging, checkpoints and evaluation belong to the caller. */
  async step(step: number, signal?: AbortSignal): Promise<TrainedStep> {
    const { updater, flopMeter } = this.#parts;
    await flopMeter.begin();
    const timer = new PhaseTimer({ takePeak: this.#parts.takePeak });
    const before = this.#counters();
    const batch = await this.#collector.collect(step, timer, signal);
    try {
      const rewards = rewardMetrics(batch.rewards);
      const greedyRewards = await this.#greedyRewards(batch, step, { timer, signal });
      const result = await updater.update(
        { groups: batch.groups, step, withTokens: true, ...(greedyRewards ? { greedyRewards } : {}) },
        timer,
        signal,
      );
      return {
        metrics: {
          ...rewards,
          ...this.#metrics(batch, result, { timer, before }),
          ...(await flopMeter.metrics(timer.seconds)),
        },
        samples: await this.#samples(batch.groups, result),
        distributions: distributionsOf(batch.groups, result),
      };
    } finally {
      for (const { prompt } of batch.groups) releasePrompt(prompt);
    }
  }

  /** ReMax's baseline: the reward of one greedy response a prompt. */
  async #greedyRewards(
    batch: RolloutBatch,
    step: number,
    { timer, signal }: { timer: PhaseTimer; signal: AbortSignal | undefined },
  ) {
    const { config, rollout, scorer } = this.#parts;
    if (config.algorithm.advantage !== "remax") return undefined;
    const prompts = batch.groups.map(({ prompt }) => prompt);
    const sampling = { n: 1, temperature: 0, topP: 1, topK: -1 };
    const groups = await timer.measure("gen", () =>
      rollout.generate(prompts, { sampling, purpose: "baseline", step, signal }),
    );
    const scored = await timer.measure("reward", () => scoreGroups(scorer, groups, signal));
    return scored.map(({ rewards }) => rewards[0]?.overall ?? 0);
  }

  #counters(): Counters {
    const { scorer, stream } = this.#parts;
    return { symbolicSkipped: scorer.counters.symbolicSkipped, numSkipped: stream.numSkipped };
  }

  #metrics(
    batch: RolloutBatch,
    result: UpdateResult,
    { timer, before }: { timer: PhaseTimer; before: Counters },
  ): StepMetrics {
    const { config, stream, modelConfig } = this.#parts;
    const counters = this.#counters();
    const responses = batch.groups.flatMap((group) => group.responses.map(({ ids }) => ids.length));
    const prompts = batch.groups.map(({ prompt }) => prompt.ids.length);
    const responseTokens = responses.reduce((sum, length) => sum + length, 0);
    // Counted as the reference does: each response with its prompt.
    const seqLengths = batch.groups.flatMap(({ prompt, responses }) =>
      responses.map(({ ids }) => prompt.ids.length + ids.length),
    );
    const totalTokens = seqLengths.reduce((sum, length) => sum + length, 0);
    return {
      ...result.metrics,
      ...lengthMetrics("response_length", responses, config.data.maxResponseLength),
      ...lengthMetrics("prompt_length", prompts, config.data.maxPromptLength),
      ...seqlenMetrics([totalTokens]),
      ...timer.metrics({ responseTokens, totalTokens }),
      ...timer.mfu({ text: modelConfig.text, seqLengths, deviceName: deviceName(config.trainer.device) }),
      "rollout/rounds": batch.numRounds,
      "rollout/generated_groups": batch.numGenerated,
      "rollout/kept_groups": batch.groups.length,
      "reward/symbolic_skipped": counters.symbolicSkipped - before.symbolicSkipped,
      "data/skipped": counters.numSkipped - before.numSkipped,
      "data/epoch": stream.epoch,
      ...memoryMetrics(),
    };
  }

  async #samples(groups: readonly RewardedGroup[], result: UpdateResult): Promise<SampledGroup[]> {
    const { config, promptText, tokenTexts } = this.#parts;
    const { n } = config.rollout;
    const masked = needsAugLogProbs(config.algorithm) ? { view: maskedView(config), numResponses: n } : undefined;
    const samples: SampledGroup[] = [];
    for (const index of pickGroups(groups.length, config.trainer.samplesPerStep)) {
      const group = groups[index];
      if (!group) continue;
      const pictures = await sampledPictures(group.prompt, masked);
      const trained = (response: number) => ({
        advantage: result.advantages[index * n + response],
        klPrcp: result.perceptionKl[index * n + response],
        klRef: finite(result.referenceKl[index * n + response]),
        ...sampledTokens(group.responses[response], result.maskedLogProbs[index * n + response], tokenTexts),
      });
      samples.push(sampledGroup(group, { promptText: promptText(group.prompt), pictures }, trained));
    }
    return samples;
  }
}

function distributionsOf(groups: readonly RewardedGroup[], result: UpdateResult): Record<string, readonly number[]> {
  const responses = groups.flatMap((group) => group.responses);
  return {
    reward: groups.flatMap(({ rewards }) => rewards.map(({ overall }) => overall)),
    response_length: responses.map(({ ids }) => ids.length),
    advantages: Array.from(result.advantages),
    kl_prcp: Array.from(result.perceptionKl),
    kl_ref: Array.from(result.referenceKl),
  };
}

/** A number that was computed; nan stands for one that was not. */
function finite(value: number | undefined): number | undefined {
  return value !== undefined && Number.isFinite(value) ? value : undefined;
}
