// A checkpoint as the engine of an evaluation; its weights are loaded when the first row is asked.
import type { Dataset } from "../../data/dataset.ts";
import type { Example } from "../../types.ts";
import { pathOrId } from "../../config/paths.ts";
import { ResponseLengths } from "../../trainer/response-lengths.ts";
import { fingerprint } from "../fingerprint.ts";
import { type OpenedProcessor, openModel, openProcessor, type SamplingSettings } from "../open-model.ts";
import { PromptBatches } from "../prompt-batches.ts";
import type { Engine, GenerateOptions } from "./engine.ts";
import type { Generated } from "./item.ts";
import type { EvaluationSettings } from "./settings.ts";

export interface LocalEngineOptions extends Pick<
  SamplingSettings,
  "dtype" | "device" | "threads" | "maxConcurrentResponses"
> {
  /** A checkpoint folder or a hub id. */
  readonly model: string;
  /** Rows generated together; default 32. */
  readonly batchSize?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class LocalEngine implements Engine {
  readonly identity: Readonly<Record<string, unknown>>;
  readonly counters = {};
  readonly #opened: OpenedProcessor;
  readonly #settings: EvaluationSettings;
  readonly #options: LocalEngineOptions;

  private constructor(
    opened: OpenedProcessor,
    how: { settings: EvaluationSettings; options: LocalEngineOptions; weights: string },
  ) {
    const { model, dtype = "auto", device = "cpu" } = how.options;
    this.identity = { engine: "papo", model: pathOrId(model, process.cwd()), weights: how.weights, dtype, device };
    this.#opened = opened;
    this.#settings = how.settings;
    this.#options = how.options;
  }

  /** @throws {ConfigError} for a setting, {CheckpointError} for the checkpoint's files beside the weights */
  static async open(settings: EvaluationSettings, options: LocalEngineOptions): Promise<LocalEngine> {
    // The format prompt is in the rows already.
    const opened = await openProcessor(options.model, samplingSettings(settings, options), options.signal);
    return new LocalEngine(opened, { settings, options, weights: await fingerprint(opened.dir) });
  }

  async fits(example: Example): Promise<boolean> {
    return (await this.#opened.processor.promptLength(example)) <= this.#settings.maxPromptTokens;
  }

  async *generate(dataset: Dataset, options: GenerateOptions): AsyncGenerator<readonly Generated[]> {
    const { signal, onProgress, isDone, skips } = options;
    const { processor } = this.#opened;
    using model = await openModel(this.#opened, samplingSettings(this.#settings, this.#options), signal);
    const batches = new PromptBatches(dataset, processor, { batchSize: this.#options.batchSize ?? 32, isDone, skips, signal }); // prettier-ignore
    const lengths = new ResponseLengths();
    for await (const { prompts } of batches) {
      const groups = await model.rollout.generate(prompts, {
        sampling: this.#settings,
        purpose: "validation",
        step: 0,
        signal,
        progress: (done) => onProgress?.(done, lengths.numTokens + lengths.estimate(done)),
      });
      lengths.add(groups);
      yield groups.map(({ prompt, responses }) => ({
        example: prompt.example,
        prompt: processor.promptText(prompt),
        responses: responses.map(({ text, finishReason, ids }) => ({ text, finishReason, numTokens: ids.length })),
      }));
    }
  }
}

/** Settings of an evaluation as a model is opened with them. */
export function samplingSettings(
  settings: EvaluationSettings,
  options: Omit<LocalEngineOptions, "model">,
): SamplingSettings {
  const { maxTokens, maxPromptTokens, seed, system, minPixels, maxPixels } = settings;
  return {
    ...{ maxTokens, maxPromptTokens, seed },
    ...{ system: system ?? undefined, minPixels: minPixels ?? undefined, maxPixels: maxPixels ?? undefined },
    ...{
      dtype: options.dtype,
      device: options.device,
      threads: options.threads,
      maxConcurrentResponses: options.maxConcurrentResponses,
    },
  };
}
