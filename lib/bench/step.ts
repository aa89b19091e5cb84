// One PAPO step with the clock and the phases of a PyTorch peer: what `papo bench step` runs. The native calls are those
// of lib/trainer/updater.ts; rewards are drawn, since there is nothing to grade.
import { groupAdvantages } from "../algorithm/advantage.ts";
import { tokenWeights } from "../algorithm/loss-weights.ts";
import { PhiloxStream } from "../data/philox.ts";
import type {
  AdamwSpec,
  BatchHandle,
  LogProbsHandle,
  LossReport,
  LossSpec,
  MaskedView,
  OptimizerHandle,
  PolicyOptions,
  ScoreOptions,
} from "../native/binding.ts";
import { loadNative } from "../native/load.ts";
import { readModelConfig } from "../policy/model-config.ts";
import type { Policy } from "../policy/policy.ts";
import { readImageSpec } from "../processor/image-size.ts";
import { releasePrompt } from "../processor/processor.ts";
import { promptInput, purposes } from "../rollout/rollout.ts";
import { Disposal } from "../trainer/disposal.ts";
import { StepHandles } from "../trainer/step-handles.ts";
import { peakMemoryBytes } from "../trainer/system-info.ts";
import { takeTensorPeak } from "../trainer/tensor-memory.ts";
import type { Prompt } from "../types.ts";
import { openForBench, type PolicyBenchOptions } from "./open-policy.ts";
import { loadWorkload } from "./workload.ts";

export interface StepBenchOptions extends PolicyBenchOptions {
  /** Responses a prompt. */
  readonly n: number;
  /** Tokens of each response. */
  readonly response: number;
  /** Cuts response i to the i-th length, round and round, as ends of sequence would; default: none. */
  readonly lengths?: readonly number[] | undefined;
  /** Responses an optimizer step, a multiple of n; 0: all of them. */
  readonly mini: number;
  readonly steps: number;
  readonly optimizer: AdamwSpec["strategy"];
  /** Rows a micro-batch; default: 1,024, or those of the largest group, which a smaller one would cut. */
  readonly maxTokens?: number | undefined;
  readonly checkpointActivations: PolicyOptions["checkpointActivations"];
}

/** Seconds by phase and what they were spent on, under the peer's names. */
export interface StepBenchResult {
  readonly total_s: number;
  readonly rollout_s: number;
  /** 0 with one optimizer step: the update's own log-probs are the old ones. */
  readonly old_s: number;
  readonly ref_s: number;
  readonly aug_s: number;
  readonly update_s: number;
  readonly response_tokens: number;
  /** Highest resident memory of the process, loading included. */
  readonly peak_rss_gib: number;
  /** Most that tensors took at a time, weights and optimizer included; `update_predicted`: by the memory model. */
  readonly peak_tensors_gib: Readonly<Record<Phase | "update_predicted", number>>;
  /** Decoder layers and vision blocks that the update ran again, the most of any micro-batch. */
  readonly recomputed: { readonly layers: number; readonly blocks: number };
}

/** What the last step computed, for a check against another implementation. */
export interface StepRecord {
  /** [prompts][n][R] token ids. */
  readonly responses: readonly (readonly (readonly number[])[])[];
  /** Packed, response after response, nan in the groups of the first optimizer step; absent with one. */
  readonly old?: readonly number[];
  readonly ref: readonly number[];
  readonly aug: readonly number[];
  /** Blackened 14 x 14 cells of each picture, row-major: 1 = dropped. */
  readonly droppedCells: readonly (readonly number[])[];
  readonly gradNorm: number;
}

type Phase = "rollout" | "old" | "ref" | "aug" | "update";

/** The published recipe with reference KL. */
const loss: LossSpec = {
  policyLoss: "ppo",
  clipLow: 0.2,
  clipHigh: 0.28,
  clipDual: 3,
  klRef: { coef: 0.01, estimator: "k3" },
  klPrcp: { coef: 0.02, estimator: "k3" },
  augEntropyCoef: 0.03,
  oriEntropyCoef: 0.03,
  entropy: "sampled",
  sftCoef: 0,
};
const adamw = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 1e-2 } as const;
const learningRate = 1e-6;
const maxGradNorm = 1;
const sampling = { temperature: 1, topP: 0.99, topK: -1 };

/**
 * Runs `steps` steps. Loading and decoding come before the clock, masking is part of `aug`.
 * @throws {CheckpointError} for the folder, {DataError} for the workload
 */
export async function runStepBench(
  dir: string,
  workload: string,
  options: StepBenchOptions,
): Promise<{ result: StepBenchResult; record: StepRecord }> {
  await using open = new Disposal();
  const config = await readModelConfig(dir);
  const imageSpec = await readImageSpec(dir, { trainerMinPixels: 0, trainerMaxPixels: 0 });
  const prompts = await loadWorkload(workload, config, imageSpec);
  open.defer(() => {
    prompts.forEach(releasePrompt);
  });
  const { checkpointActivations } = options;
  const policy = open.use(await openForBench(dir, options, { trained: true, checkpointActivations }));
  const reference = open.use(await openForBench(dir, options));
  const optimizer = await loadNative().createOptimizer(policy.handle, { ...adamw, strategy: options.optimizer });
  open.defer(() => {
    loadNative().dispose(optimizer);
  });
  const bench = new StepBench({ options, prompts, policy, reference, optimizer });
  const startMs = performance.now();
  let record: StepRecord | undefined;
  for (let step = 0; step < options.steps; step += 1) record = await bench.step(step);
  const totalMs = performance.now() - startMs;
  if (!record) throw new RangeError(`steps: expected an integer >= 1, got ${options.steps}`);
  return { result: bench.result(totalMs), record };
}

interface Parts {
  readonly options: StepBenchOptions;
  readonly prompts: readonly Prompt[];
  readonly policy: Policy;
  readonly reference: Policy;
  readonly optimizer: OptimizerHandle;
}

class StepBench {
  readonly #native = loadNative();
  readonly #parts: Parts;
  readonly #view: MaskedView;
  readonly #ms: Record<Phase, number> = { rollout: 0, old: 0, ref: 0, aug: 0, update: 0 };
  readonly #peakBytes: Record<Phase | "update_predicted", number> = {
    ...{ rollout: 0, old: 0, ref: 0, aug: 0, update: 0, update_predicted: 0 },
  };
  #recomputed = { layers: 0, blocks: 0 };
  #responseTokens = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    const { seed } = parts.options;
    this.#view = { mode: "patch", patchPx: 14, ratio: 0.6, exact: false, fill: "black", seed, perResponse: false };
  }

  async step(step: number): Promise<StepRecord> {
    using handles = new StepHandles();
    const { prompts, policy, reference } = this.#parts;
    const responses = await this.#measure("rollout", () => this.#generate(step));
    const groups = prompts.map((prompt, index) => ({
      prompt: promptInput(prompt),
      responses: responses[index] ?? [],
    }));
    const batch = handles.keep(this.#native.createBatch(groups));
    const score = async (scored: Policy, options: Partial<ScoreOptions>): Promise<LogProbsHandle> =>
      handles.keep(await this.#score(scored, batch, options));
    const [first, ...later] = this.#minis();
    const [, firstGroup = 0] = first ?? [];
    const old = later.length > 0 ? await this.#measure("old", () => score(policy, { firstGroup })) : undefined;
    const ref = await this.#measure("ref", () => score(reference, {}));
    const aug = await this.#measure("aug", () => score(policy, { view: this.#view }));
    const gradNorm = await this.#measure("update", () => this.#update(step, responses, { batch, old, ref, aug }));
    return {
      responses: responses.map((group) => group.map((ids) => Array.from(ids))),
      ...(old ? { old: await this.#values(old) } : {}),
      ref: await this.#values(ref),
      aug: await this.#values(aug),
      droppedCells: prompts.flatMap((prompt) => this.#droppedCells(prompt)),
      gradNorm,
    };
  }

  result(totalMs: number): StepBenchResult {
    const seconds = (ms: number): number => Number((ms / 1000).toFixed(3));
    const gib = (bytes: number): number => Number((bytes / 2 ** 30).toFixed(3));
    const { rollout, old, ref, aug, update, update_predicted } = this.#peakBytes;
    return {
      total_s: seconds(totalMs),
      rollout_s: seconds(this.#ms.rollout),
      old_s: seconds(this.#ms.old),
      ref_s: seconds(this.#ms.ref),
      aug_s: seconds(this.#ms.aug),
      update_s: seconds(this.#ms.update),
      response_tokens: this.#responseTokens,
      peak_rss_gib: Number((peakMemoryBytes() / 2 ** 30).toFixed(2)),
      peak_tensors_gib: {
        ...{ rollout: gib(rollout), old: gib(old), ref: gib(ref), aug: gib(aug), update: gib(update) },
        update_predicted: gib(update_predicted),
      },
      recomputed: this.#recomputed,
    };
  }

  async #generate(step: number): Promise<Int32Array[][]> {
    const { options, prompts, policy } = this.#parts;
    const { imageTokenId, videoTokenId, visionStartTokenId, visionEndTokenId } = policy.config;
    const sampled = await this.#native.generate(policy.handle, prompts.map(promptInput), {
      ...sampling,
      n: options.n,
      maxTokens: options.response,
      stopIds: [],
      forbiddenIds: [imageTokenId, videoTokenId, visionStartTokenId, visionEndTokenId],
      seed: options.seed,
      purpose: purposes.training,
      step,
      maxConcurrent: Math.max(256, options.n),
    });
    const { lengths } = options;
    const cut = (ids: Int32Array, index: number): Int32Array => ids.slice(0, lengths?.[index % lengths.length]);
    const responses = sampled.map((group, prompt) => group.map(({ ids }, i) => cut(ids, prompt * options.n + i)));
    this.#responseTokens += responses.flat().reduce((sum, { length }) => sum + length, 0);
    return responses;
  }

  async #score(policy: Policy, batch: BatchHandle, options: Partial<ScoreOptions>): Promise<LogProbsHandle> {
    const maxTokens = this.#maxTokens();
    const { temperature } = sampling;
    return this.#native.computeLogProbs(policy.handle, batch, { temperature, entropy: false, maxTokens, ...options });
  }

  async #update(
    step: number,
    responses: readonly (readonly Int32Array[])[],
    scores: {
      readonly batch: BatchHandle;
      readonly old: LogProbsHandle | undefined;
      readonly ref: LogProbsHandle;
      readonly aug: LogProbsHandle;
    },
  ): Promise<number> {
    const { policy, optimizer, options } = this.#parts;
    let gradNorm = 0;
    for (const [firstGroup, lastGroup] of this.#minis()) {
      const groups = responses.slice(firstGroup, lastGroup);
      const lengths = groups.flat().map(({ length }) => length);
      const weights = tokenWeights({ lengths, microBatchSize: 1, maxResponseLength: options.response });
      const report = await this.#native.forwardBackward(policy.handle, scores.batch, loss, {
        firstGroup,
        lastGroup,
        temperature: sampling.temperature,
        maxTokens: this.#maxTokens(),
        // The first one's old log-probs are its own.
        ...(scores.old && firstGroup > 0 ? { oldLogProbs: scores.old } : {}),
        refLogProbs: scores.ref,
        augLogProbs: scores.aug,
        weights: {
          advantages: this.#advantages(step, firstGroup, groups),
          lossWeights: weights,
          tokenWeights: weights,
        },
      });
      this.#noteMemory(report);
      ({ gradNorm } = await this.#native.optimizerStep(optimizer, policy.handle, learningRate, maxGradNorm));
    }
    return gradNorm;
  }

  #noteMemory({ predictedPeakBytes, recomputedLayers, recomputedBlocks }: LossReport): void {
    this.#peakBytes.update_predicted = Math.max(this.#peakBytes.update_predicted, predictedPeakBytes);
    const { layers, blocks } = this.#recomputed;
    this.#recomputed = { layers: Math.max(layers, recomputedLayers), blocks: Math.max(blocks, recomputedBlocks) };
  }

  /** Of drawn rewards; a response alone has no baseline and gets 1. */
  #advantages(step: number, firstGroup: number, groups: readonly (readonly Int32Array[])[]): Float64Array {
    const { seed } = this.#parts.options;
    return Float64Array.from(
      groups.flatMap((group, index) => {
        const stream = new PhiloxStream(seed, [step, firstGroup + index]);
        const rewards = group.map(() => stream.below(1000) / 1000);
        return rewards.length < 2 ? [1] : groupAdvantages(rewards);
      }),
    );
  }

  #maxTokens(): number {
    const { options, prompts } = this.#parts;
    const longest = Math.max(...prompts.map(({ ids }) => ids.length));
    return options.maxTokens ?? Math.max(1024, longest + options.n * options.response);
  }

  /** [first, last) groups of each optimizer step. */
  #minis(): [number, number][] {
    const { options, prompts } = this.#parts;
    const size = options.mini === 0 ? prompts.length : Math.max(1, Math.floor(options.mini / options.n));
    return Array.from({ length: Math.ceil(prompts.length / size) }, (_, index) => [
      index * size,
      Math.min(prompts.length, (index + 1) * size),
    ]);
  }

  #droppedCells({ example, epoch, imageGridThw }: Prompt): number[][] {
    return imageGridThw.map(([, rows, cols], imageIndex) =>
      Array.from(
        this.#native.patchMaskCells(
          { ...this.#view, epoch, exampleId: example.id, imageIndex, responseIndex: 0 },
          rows,
          cols,
        ),
      ),
    );
  }

  async #values(scores: LogProbsHandle): Promise<number[]> {
    return Array.from(await this.#native.logProbValues(scores));
  }

  async #measure<T>(phase: Phase, run: () => Promise<T>): Promise<T> {
    await takeTensorPeak(this.#parts.options.device); // what came before is not the phase's
    const startMs = performance.now();
    const value = await run();
    this.#ms[phase] += performance.now() - startMs;
    this.#peakBytes[phase] = Math.max(this.#peakBytes[phase], await takeTensorPeak(this.#parts.options.device));
    return value;
  }
}
