// A checkpoint that a program holds open: responses to its prompts, and numbers of responses token by token.
import { ConfigError } from "../errors.ts";
import { stoppable } from "../native/stoppable.ts";
import { type PromptText, withPrompt } from "../processor/single-prompt.ts";
import { promptInput, Rollout, type Sampling } from "../rollout/rollout.ts";
import { type Generated, sampleResponses } from "./generate.ts";
import {
  openModel,
  type OpenedModel,
  type OpenedProcessor,
  openProcessor,
  type SamplingSettings,
} from "./open-model.ts";
import { maskedView, type PictureMask } from "./picture-mask.ts";
import { scoreTokens, type TokenScores } from "./score-tokens.ts";

/** How its prompts are made and where it runs. */
export interface LoadPolicyOptions extends Pick<
  SamplingSettings,
  "device" | "dtype" | "threads" | "formatPrompt" | "system" | "minPixels" | "maxPixels" | "maxPromptTokens"
> {
  readonly signal?: AbortSignal | undefined;
}

/** n (1), temperature (0: greedy), topP (1) and topK (-1) have the defaults of `papo generate`. */
export interface GenerateRequest extends PromptText, Partial<Sampling> {
  /** Longest response; default 512. */
  readonly maxTokens?: number | undefined;
  /** Root of the random numbers, an integer >= 0; default 0. */
  readonly seed?: number | undefined;
  /** Responses decoded together; default 256. */
  readonly maxConcurrentResponses?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ScoreRequest extends PromptText {
  /**
   * Token ids, such as `ids` of a generated response, or texts. A text is encoded as it stands, special tokens in it
   * read as such: end it with the model's stop token (`<|im_end|>`) to score that as well.
   */
  readonly responses: readonly (string | ArrayLike<number>)[];
  /** Scores them a second time on the masked pictures; `{}` masks as published: 0.6 of 14-px cells, black. */
  readonly mask?: PictureMask | undefined;
  /** Divides the logits, above 0; default 1. That of the sampling gives the sampling's own log-probs. */
  readonly temperature?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Numbers of one response; [R] one a token. */
export interface ScoredResponse {
  readonly ids: Int32Array;
  /** Nats: of each id under softmax(logits / temperature), given the prompt and the ids before it. */
  readonly logProbs: Float32Array;
  /** Nats: of that whole distribution, 0 to log of the vocabulary's size. */
  readonly entropies: Float32Array;
  /** The same on the masked pictures; there with `mask`. */
  readonly masked?: {
    readonly logProbs: Float32Array;
    readonly entropies: Float32Array;
    /** Plain estimate of the perception KL, nats: log-prob on the picture minus log-prob on the masked picture. */
    readonly logRatio: Float32Array;
    /** The loss's estimate k3 of it with its clamps, nats, 0 to 10: exp(-logRatio) - 1 + logRatio. */
    readonly klPrcp: Float32Array;
  };
}

/**
 * Opens a checkpoint for {@link LoadedPolicy.generate} and {@link LoadedPolicy.score}; hold it with `using`.
 * @param model a checkpoint folder in the hub's layout, or a hub id, which is downloaded
 * @throws {ConfigError} for a setting, {CheckpointError} when it is not a sound Qwen2.5-VL checkpoint, {NativeError} E_CUDA
 *   for a device that this build or this machine does not have; {NativeModuleError} without the native module; the
 *   signal's reason when aborted
 */
export async function loadPolicy(model: string, options: LoadPolicyOptions = {}): Promise<LoadedPolicy> {
  const { signal } = options;
  return await stoppable(signal, async () => {
    const opened = await openProcessor(model, options, signal);
    return new LoadedPolicy(opened, await openModel(opened, options, signal));
  });
}

/** A policy in memory. Calls run one after the other, in call order; after disposal they throw NativeError E_DISPOSED. */
export class LoadedPolicy implements Disposable {
  /** The checkpoint's folder. */
  readonly dir: string;
  readonly #opened: OpenedProcessor;
  readonly #model: OpenedModel;

  /** Use {@link loadPolicy}. */
  constructor(opened: OpenedProcessor, model: OpenedModel) {
    this.dir = opened.dir;
    this.#opened = opened;
    this.#model = model;
  }

  /**
   * n responses to a prompt; the same request gives the same responses.
   * @throws {ConfigError} for marks that are not one a picture, {DataError} for a picture, {NativeError} E_VALUE for a
   *   value out of its range; the signal's reason when aborted
   */
  async generate(request: GenerateRequest): Promise<Generated> {
    const { maxTokens = 512, seed = 0, maxConcurrentResponses = 256, signal } = request;
    const { processor } = this.#opened;
    const rollout = new Rollout(this.#model.policy, processor, {
      ...{ seed, maxResponseLength: maxTokens, maxConcurrentResponses },
    });
    return await stoppable(signal, () =>
      withPrompt(processor, request, (prompt) => sampleResponses(rollout, prompt, request)),
    );
  }

  /**
   * Log-probs, entropies and, with a mask, perception KL of each response's tokens.
   * @returns one a response, in order
   * @throws as {@link generate}; {ConfigError} for a mask without a picture or with a value that none can have;
   *   {RangeError} for what is no token id
   */
  async score(request: ScoreRequest): Promise<ScoredResponse[]> {
    const { temperature = 1, images = [], signal } = request;
    const { processor } = this.#opened;
    if (request.mask && images.length === 0) throw new ConfigError("mask", "expected a picture to mask, got none");
    const view = request.mask && maskedView(request.mask, "mask");
    const responses = request.responses.map((response, index) =>
      checkedIds(typeof response === "string" ? processor.tokenizer.encode(response) : response, index),
    );
    if (responses.length === 0) return [];
    return await stoppable(signal, () =>
      withPrompt(processor, request, async (prompt) => {
        const group = { prompt: promptInput(prompt), responses };
        return unpack(responses, await scoreTokens(this.#model.policy, [group], { temperature, view, signal }));
      }),
    );
  }

  [Symbol.dispose](): void {
    this.#model[Symbol.dispose]();
  }
}

function checkedIds(response: ArrayLike<number>, index: number): Int32Array {
  const ids = Int32Array.from(response);
  const at = ids.findIndex((id, position) => id < 0 || id !== response[position]);
  if (at < 0) return ids;
  throw new RangeError(`responses[${index}][${at}]: expected a token id, got ${response[at]}`);
}

function unpack(responses: readonly Int32Array[], { logProbs, entropies, masked }: TokenScores): ScoredResponse[] {
  let next = 0;
  return responses.map((ids) => {
    const [from, to] = [next, (next += ids.length)];
    const part = (values: Float64Array) => Float32Array.from(values.subarray(from, to));
    const plain = { ids, logProbs: part(logProbs), entropies: part(entropies) };
    if (!masked) return plain;
    const logRatio = part(logProbs.map((value, index) => value - (masked.logProbs[index] ?? NaN)));
    return {
      ...plain,
      masked: {
        ...{ logProbs: part(masked.logProbs), entropies: part(masked.entropies) },
        ...{ logRatio, klPrcp: part(masked.klPrcp) },
      },
    };
  });
}
