// A checkpoint opened for sampling: policy, processor and rollout, without gradients.
import { builtInFormatPrompts } from "../config/paths.ts";
import { resolve } from "node:path";
import { resolveModelFolder } from "../data/hub.ts";
import { ConfigError } from "../errors.ts";
import type { DeviceName } from "../native/binding.ts";
import { readModelConfig } from "../policy/model-config.ts";
import { Policy } from "../policy/policy.ts";
import { Processor } from "../processor/processor.ts";
import { Rollout, type Sampling } from "../rollout/rollout.ts";
import { setThreads } from "../trainer/threads.ts";

/** How prompts are made and responses sampled; what is absent has its default. */
export interface SamplingSettings extends Partial<Sampling> {
  /** Longest response in tokens; default 512. */
  readonly maxTokens?: number | undefined;
  /** Root of the random numbers; default 0. */
  readonly seed?: number | undefined;
  /** A jinja file around the question, or the built-in `math_perception`; default: the bare question. */
  readonly formatPrompt?: string | undefined;
  /** System message; default: the chat template's own. */
  readonly system?: string | undefined;
  /** Area that smaller pictures are enlarged to before the model's own resize, pixels; default: none. */
  readonly minPixels?: number | undefined;
  /** Area that larger pictures are reduced to likewise. */
  readonly maxPixels?: number | undefined;
  /** Longest prompt in tokens, image tokens expanded; default 32,768. */
  readonly maxPromptTokens?: number | undefined;
  /** Responses decoded together; default 256. */
  readonly maxConcurrentResponses?: number | undefined;
  /** Of the weights in memory; default: bfloat16 where the checkpoint is, else float32. */
  readonly dtype?: "float32" | "bfloat16" | undefined;
  /** Where the weights are and the passes run; default: cpu. */
  readonly device?: DeviceName | undefined;
  /** Of libtorch; default: its own choice. */
  readonly threads?: number | undefined;
}

/** The tokenizer and the processor's settings, which are quick to open. */
export interface OpenedProcessor {
  /** The checkpoint's folder, downloaded when a hub id was given. */
  readonly dir: string;
  readonly processor: Processor;
}

/**
 * @param model a checkpoint folder or a hub id
 * @throws {ConfigError} for a setting, {CheckpointError} for the checkpoint
 */
export async function openProcessor(
  model: string,
  settings: SamplingSettings,
  signal?: AbortSignal,
): Promise<OpenedProcessor> {
  const { formatPrompt, minPixels = 0, maxPixels = 0 } = settings;
  if (minPixels > 0 && maxPixels > 0 && minPixels > maxPixels)
    throw new ConfigError("--min-pixels", `expected at most --max-pixels (${maxPixels}), got ${minPixels}`);
  const dir = await resolveModelFolder(model, signal ? { signal } : {});
  const isPath = formatPrompt !== undefined && !builtInFormatPrompts.includes(formatPrompt);
  const processor = await Processor.load(dir, {
    formatPrompt: isPath ? resolve(formatPrompt) : (formatPrompt ?? null),
    chatTemplate: null,
    systemPrompt: settings.system ?? null,
    maxPromptLength: settings.maxPromptTokens ?? 32_768,
    minPixels,
    maxPixels,
    exifRotate: false,
  });
  return { dir, processor };
}

/** A policy that samples; disposing it frees its weights. */
export interface OpenedModel extends Disposable {
  readonly policy: Policy;
  readonly rollout: Rollout;
}

/**
 * @throws {CheckpointError} when the folder is not a sound Qwen2.5-VL checkpoint, {NativeError} E_CUDA for a device that
 *   this build or this machine does not have
 */
export async function openModel(
  { dir, processor }: OpenedProcessor,
  settings: SamplingSettings,
  signal?: AbortSignal,
): Promise<OpenedModel> {
  await setThreads(settings.threads, "--threads");
  const dtype = settings.dtype ?? ((await readModelConfig(dir)).dtype === "bfloat16" ? "bfloat16" : "float32");
  const policy = await Policy.open(dir, { dtype, device: settings.device ?? "cpu", signal });
  const rollout = new Rollout(policy, processor, {
    seed: settings.seed ?? 0,
    maxResponseLength: settings.maxTokens ?? 512,
    maxConcurrentResponses: settings.maxConcurrentResponses ?? 256,
  });
  return {
    policy,
    rollout,
    [Symbol.dispose]: () => {
      policy[Symbol.dispose]();
    },
  };
}
