// A step's rollout batch -> gradients and optimizer steps: scoring under the fixed weights, advantages, then one
// optimizer step per optim.globalBatchSize prompts.
import { advantages } from "../algorithm/advantage.ts";
import { maskedView } from "../algorithm/augment.ts";
import { type KlController, klPrcpCoefAt } from "../algorithm/coefficient-schedule.ts";
import { entropyDiscount, lossSpec, needsAugLogProbs } from "../algorithm/loss-spec.ts";
import { responseWeights } from "../algorithm/response-weights.ts";
import type { RunConfig } from "../config/schema.ts";
import { NativeError } from "../errors.ts";
import type { CollapseGuard } from "../guard/guard.ts";
import type { LogProbsHandle, LossReport, LossSpec, UpdateInputs } from "../native/binding.ts";
import { callNative } from "../native/call.ts";
import { loadNative } from "../native/load.ts";
import type { Policy } from "../policy/policy.ts";
import type { RewardedGroup, StepMetrics } from "../types.ts";
import { MetricSums, type MetricWeights } from "./metrics.ts";
import type { PolicyOptimizer } from "./policy-optimizer.ts";
import type { Progress } from "./progress.ts";
import { learningRate } from "./schedule.ts";
import { type Scores, scoreStep, tokenTotals } from "./score-step.ts";
import { StepHandles } from "./step-handles.ts";
import { type PhaseTimer, recomputeMetrics, spreadMetrics } from "./step-metrics.ts";

export interface UpdaterParts {
  readonly config: RunConfig;
  readonly policy: Policy;
  /** The frozen initial policy; undefined without a KL to it. */
  readonly reference: Policy | undefined;
  readonly optimizer: PolicyOptimizer;
  readonly klController: KlController;
  readonly guard: Pick<CollapseGuard, "klPrcpFactor">;
  readonly progress: Progress;
  readonly totalSteps: number;
}

export interface UpdateBatch {
  readonly groups: readonly RewardedGroup[];
  /** Rewards of the greedy responses, one a group; ReMax only. */
  readonly greedyRewards?: readonly number[];
  readonly step: number;
  /** Give the log-probs on the masked pictures too. */
  readonly withTokens?: boolean;
}

export interface UpdateResult {
  readonly metrics: StepMetrics;
  /** Per response in batch order; the mean where it differs from token to token. */
  readonly advantages: readonly number[];
  /** Mean perception KL per response, nats; empty without the term. */
  readonly perceptionKl: readonly number[];
  /** Mean KL of the rollout's policy to the reference per response, nats; nan or empty where either was not scored. */
  readonly referenceKl: readonly number[];
  /**
   * [responses][R] nats, of the rollout's policy on the masked pictures; empty unless asked for, and where the masked
   * branch is trained.
   */
  readonly maskedLogProbs: readonly Float64Array[];
}

export class Updater {
  /** A step's weights have moved, or may have, and the step is not over. */
  isMidUpdate = false;
  readonly #parts: UpdaterParts;

  constructor(parts: UpdaterParts) {
    this.#parts = parts;
  }

  /**
   * Moves the policy by one rollout batch.
   * @throws {NonFiniteError} when too many optimizer steps in a row had a non-finite gradient
   */
  async update(update: UpdateBatch, timer: PhaseTimer, signal: AbortSignal | undefined): Promise<UpdateResult> {
    using handles = new StepHandles();
    const scores = await scoreStep(this.#parts, update.groups, { timer, handles, signal });
    const maskedLogProbs = update.withTokens === true && scores.aug ? await rowsOf(scores.aug, update.groups) : [];
    const advantage = await timer.measure("adv", () => this.#advantages(update, scores, handles));
    const result = await timer.measure("update_actor", () => this.#optimize(update, scores, advantage, signal));
    this.isMidUpdate = false;
    return {
      advantages: advantage.perResponse,
      perceptionKl: result.perceptionKl,
      referenceKl: advantage.referenceKl,
      maskedLogProbs,
      metrics: { ...advantage.metrics, ...result.metrics },
    };
  }

  async #advantages({ groups, greedyRewards }: UpdateBatch, { old, ref }: Scores, handles: StepHandles) {
    const { config, klController } = this.#parts;
    const { klRef, advantage } = config.algorithm;
    const { estimator } = klRef;
    const overall = groups.map(({ rewards }) => rewards.map((reward) => reward.overall));
    const metrics: Record<string, number> = { ...spreadMetrics("critic/score", overall.flat()) };
    let inner = overall;
    let tokenAdvantages: LogProbsHandle | undefined;
    const scored = old && ref && estimator !== "full" ? ([old, ref, estimator] as const) : undefined;
    const kl = scored && (await callNative({}, () => loadNative().klPerResponse(...scored)));
    if (klRef.mode === "reward" && scored && kl) {
      const { coef } = klController;
      let next = 0;
      inner = overall.map((rewards) => rewards.map((reward) => reward - coef * (kl.sums[next++] ?? 0)));
      const meanKl = kl.means.reduce((sum, value) => sum + value, 0) / Math.max(1, kl.means.length);
      metrics["critic/kl"] = meanKl;
      metrics["critic/kl_coef"] = coef;
      klController.update(meanKl, kl.means.length);
      if (advantage === "reinforce_plus_plus") {
        const [own, other, sampled] = scored;
        const options = { rewards: Float64Array.from(overall.flat()), estimator: sampled, coef };
        tokenAdvantages = handles.keep(await callNative({}, () => loadNative().tokenAdvantages(own, other, options)));
      }
    }
    Object.assign(metrics, spreadMetrics("critic/rewards", inner.flat()));
    const perResponse = tokenAdvantages
      ? Array.from(await loadNative().meanPerResponse(tokenAdvantages))
      : advantages(
          advantage,
          groups.map(({ responses }, index) => ({
            rewards: inner[index] ?? [],
            lengths: responses.map(({ ids }) => ids.length),
            ...(greedyRewards ? { greedyReward: greedyRewards[index] ?? 0 } : {}),
          })),
        ).flat();
    const lengths = groups.flatMap(({ responses }) => responses.map(({ ids }) => ids.length));
    const spread = {
      ...spreadMetrics("critic/advantages", perResponse, lengths),
      ...spreadMetrics("critic/returns", perResponse, lengths),
    };
    const referenceKl = Array.from(kl?.means ?? []);
    return { tokenAdvantages, perResponse, referenceKl, metrics: { ...metrics, ...spread } };
  }

  async #optimize(
    update: UpdateBatch,
    scores: Scores,
    advantage: { tokenAdvantages: LogProbsHandle | undefined; perResponse: readonly number[] },
    signal: AbortSignal | undefined,
  ): Promise<{ metrics: StepMetrics; perceptionKl: number[] }> {
    const { config, guard, progress, totalSteps } = this.#parts;
    const { algorithm, optim } = config;
    const klPrcpCoef = klPrcpCoefAt(algorithm.klPrcp, update.step, totalSteps);
    const { klPrcpFactor } = guard;
    const spec = lossSpec(algorithm, klPrcpCoef, klPrcpFactor);
    const lr = learningRate(config, update.step, totalSteps);
    const sums = new MetricSums();
    const perceptionKl: number[] = [];
    const numGroups = update.groups.length;
    const numTokens = tokenTotals(update.groups);
    using phase = progress.phase("update", numGroups * algorithm.epochs, "groups");
    for (let pass = 0; pass < algorithm.epochs; pass += 1) {
      for (let first = 0; first < numGroups; first += optim.globalBatchSize) {
        const range = { first, last: Math.min(numGroups, first + optim.globalBatchSize) };
        const isFirst = pass === 0 && first === 0;
        const report = await this.#step({ update, scores, advantage, spec, lr, range, isFirst }, signal, (done) => {
          const passTokens = pass * (numTokens[numGroups] ?? 0);
          phase.update(pass * numGroups + first + done, passTokens + (numTokens[first + done] ?? 0));
        });
        sums.add(report.metrics, report);
        if (pass === 0) perceptionKl.push(...report.perceptionKl);
      }
    }
    const coefficients = coefficientMetrics(config, klPrcpCoef, klPrcpFactor);
    return { metrics: { ...sums.result(), ...coefficients, "actor/lr": lr }, perceptionKl };
  }

  /** One optimizer step. */
  async #step(
    work: {
      update: UpdateBatch;
      scores: Scores;
      advantage: { tokenAdvantages: LogProbsHandle | undefined; perResponse: readonly number[] };
      spec: LossSpec;
      lr: number;
      range: { first: number; last: number };
      /** The weights are still those of the rollout. */
      isFirst: boolean;
    },
    signal: AbortSignal | undefined,
    progress: (done: number) => void,
  ): Promise<MetricWeights & { metrics: StepMetrics; perceptionKl: Float64Array }> {
    const { config, policy, reference, optimizer } = this.#parts;
    const { update, scores, advantage, range } = work;
    const native = loadNative();
    const part = update.groups.slice(range.first, range.last);
    const firstResponse = update.groups.slice(0, range.first).reduce((sum, group) => sum + group.responses.length, 0);
    const rewards = part.flatMap((group) => group.rewards);
    const inputs: UpdateInputs = {
      firstGroup: range.first,
      lastGroup: range.last,
      temperature: config.rollout.temperature,
      maxTokens: config.optim.microBatchTokens,
      ...(work.isFirst ? { rolloutLogProbs: scores.rollout } : scores.old ? { oldLogProbs: scores.old } : {}),
      ...(scores.ref && config.algorithm.klRef.mode === "loss" ? { refLogProbs: scores.ref } : {}),
      ...(reference && config.algorithm.klRef.estimator === "full" ? { reference: reference.handle } : {}),
      ...(scores.aug ? { augLogProbs: scores.aug } : {}),
      ...(needsAugLogProbs(config.algorithm) && config.aug.grad === "recompute"
        ? { recompute: maskedView(config) }
        : {}),
      ...(advantage.tokenAdvantages ? { tokenAdvantages: advantage.tokenAdvantages } : {}),
      weights: responseWeights(config, {
        rewards,
        lengths: part.flatMap(({ responses }) => responses.map(({ ids }) => ids.length)),
        ...(advantage.tokenAdvantages
          ? {}
          : {
              advantages: advantage.perResponse.slice(firstResponse, firstResponse + rewards.length),
            }),
      }),
    };
    const report = await callNative({ signal, progress }, (watch) =>
      native.forwardBackward(policy.handle, scores.batch, work.spec, inputs, watch),
    ).catch((error: unknown) => {
      if (error instanceof NativeError && error.code === "E_NONFINITE") return undefined;
      throw error;
    });
    if (report === undefined) {
      const perceptionKl = new Float64Array(scores.aug || inputs.recompute ? rewards.length : 0).fill(Number.NaN);
      return { metrics: optimizer.skip(update.step), numTokens: 0, numAveraged: 0, perceptionKl };
    }
    signal?.throwIfAborted();
    this.isMidUpdate = true;
    const moved = await optimizer.step(work.lr, update.step);
    const metrics = Object.fromEntries(Object.entries(report.metrics).map(([name, value]) => [`actor/${name}`, value]));
    // Differs: the reference logs the total loss under this name.
    if (config.compat === "reference") metrics["actor/pg_loss"] = metrics["actor/total_loss"] ?? 0;
    return {
      metrics: { ...metrics, ...recomputeMetrics(report), ...rolloutMetrics(report), ...moved },
      numTokens: report.numTokens,
      numAveraged: config.algorithm.lossAvgMode === "token" ? report.numTokens : rewards.length,
      perceptionKl: report.perceptionKl,
    };
  }
}

/** [responses][R] The values of a batch, response after response. */
async function rowsOf(values: LogProbsHandle, groups: readonly RewardedGroup[]): Promise<Float64Array[]> {
  const packed = await loadNative().logProbValues(values);
  let next = 0;
  return groups.flatMap(({ responses }) => responses.map(({ ids }) => packed.subarray(next, (next += ids.length))));
}

/** How far the rollout's log-probs are from those of the update's pass, where both are of the same weights. */
function rolloutMetrics({ rolloutDifference }: LossReport): StepMetrics {
  if (rolloutDifference === undefined) return {};
  return { "rollout/log_prob_diff_max": rolloutDifference.max, "rollout/log_prob_diff_mean": rolloutDifference.mean };
}

/** The coefficients that act at this step. */
function coefficientMetrics({ algorithm }: RunConfig, klPrcpCoef: number, klPrcpFactor: number): StepMetrics {
  const { klRef, klPrcp, entropy, sft } = algorithm;
  const discount = entropyDiscount(algorithm, klPrcpCoef);
  return {
    ...(klRef.mode === "loss" ? { "actor/kl_coef": klRef.coef } : {}),
    ...(klPrcp.enabled
      ? { "actor/kl_prcp_coef": klPrcpCoef * klPrcpFactor, "actor/kl_prcp_coef_annealing_discount": discount }
      : {}),
    ...(entropy.augCoef > 0 ? { "actor/aug_entropy_loss_coef": entropy.augCoef * discount } : {}),
    ...(entropy.oriCoef > 0 ? { "actor/ori_entropy_loss_coef": entropy.oriCoef * discount } : {}),
    ...(sft.coef > 0 ? { "actor/sft_coef": sft.coef } : {}),
  };
}
