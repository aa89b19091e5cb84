// Sampling responses: prompts in, groups out, with the policy's own weights.
import type { GenerateSpec, GroupInput, PromptInput } from "../native/binding.ts";
import { callNative, type CallOptions } from "../native/call.ts";
import { loadNative } from "../native/load.ts";
import type { Policy } from "../policy/policy.ts";
import type { Processor } from "../processor/processor.ts";
import type { Group, Prompt } from "../types.ts";

/** What a stream of random tokens is for; streams of different purposes never meet. */
export const purposes = { training: 1, validation: 2, baseline: 3, generate: 4 } as const;

export interface Sampling {
  /** Responses a prompt. */
  readonly n: number;
  /** 0: greedy. */
  readonly temperature: number;
  readonly topP: number;
  /** -1: all tokens. */
  readonly topK: number;
}

export interface RolloutOptions extends CallOptions {
  readonly sampling: Sampling;
  readonly purpose: keyof typeof purposes;
  /** With the run's seed, the prompt's epoch and id, the response's index and the position: the random numbers. */
  readonly step: number;
}

export interface RolloutLimits {
  readonly seed: number;
  /** Longest response in tokens. */
  readonly maxResponseLength: number;
  /** Responses decoded together. */
  readonly maxConcurrentResponses: number;
}

export class Rollout {
  readonly #policy: Policy;
  readonly #processor: Processor;
  readonly #limits: RolloutLimits;

  constructor(policy: Policy, processor: Processor, limits: RolloutLimits) {
    this.#policy = policy;
    this.#processor = processor;
    this.#limits = limits;
  }

  /**
   * n responses to each prompt. The same seed, purpose and step give the same responses, whatever else is sampled.
   * Progress counts finished responses.
   */
  async generate(prompts: readonly Prompt[], options: RolloutOptions): Promise<Group[]> {
    const { config, handle } = this.#policy;
    const spec: GenerateSpec = {
      ...options.sampling,
      maxTokens: this.#limits.maxResponseLength,
      stopIds: config.eosTokenIds,
      forbiddenIds: [config.imageTokenId, config.videoTokenId, config.visionStartTokenId, config.visionEndTokenId],
      seed: this.#limits.seed,
      purpose: purposes[options.purpose],
      step: options.step,
      maxConcurrent: this.#limits.maxConcurrentResponses,
    };
    const sampled = await callNative(options, (watch) =>
      loadNative().generate(handle, prompts.map(promptInput), spec, watch),
    );
    return prompts.map((prompt, index) => ({
      prompt,
      responses: (sampled[index] ?? []).map(({ ids, logProbs, stopped }) => ({
        ids,
        logProbs,
        finishReason: stopped ? ("stop" as const) : ("length" as const),
        text: this.#processor.decode(ids),
      })),
    }));
  }
}

/** A prompt as native code takes it. */
export function promptInput({ example, epoch, ids, images }: Prompt): PromptInput {
  return { exampleId: example.id, epoch, ids, images };
}

/** A group as native code takes it. */
export function groupInput({ prompt, responses }: Group): GroupInput {
  return { prompt: promptInput(prompt), responses: responses.map(({ ids }) => ids) };
}
