// One prompt with pictures -> responses: what `papo generate` prints.
import { stoppable } from "../native/stoppable.ts";
import { type PromptText, withPrompt } from "../processor/single-prompt.ts";
import type { Rollout, Sampling } from "../rollout/rollout.ts";
import type { Prompt, Response } from "../types.ts";
import { openModel, openProcessor, type SamplingSettings } from "./open-model.ts";

export interface GenerateOptions extends SamplingSettings, PromptText {
  /** A checkpoint folder or a hub id. */
  readonly model: string;
  readonly signal?: AbortSignal | undefined;
}

export interface Generated {
  /** Image tokens included. */
  readonly promptTokens: number;
  /** [n] */
  readonly responses: readonly Response[];
}

/**
 * n responses to a prompt; greedy (temperature 0) and one of them by default. The same options give the same responses.
 * For several prompts open the model once with {@link loadPolicy}.
 * @throws {ConfigError} for a setting or marks that are not one a picture, {DataError} for a picture,
 *   {CheckpointError} for the model; the signal's reason when aborted
 */
export async function generate(options: GenerateOptions): Promise<Generated> {
  const { signal } = options;
  return await stoppable(signal, async () => {
    const opened = await openProcessor(options.model, options, signal);
    return await withPrompt(opened.processor, options, async (prompt) => {
      using model = await openModel(opened, options, signal);
      return await sampleResponses(model.rollout, prompt, options);
    });
  });
}

/** Greedy, and one response, by default. */
export async function sampleResponses(
  rollout: Rollout,
  prompt: Prompt,
  options: Partial<Sampling> & { readonly signal?: AbortSignal | undefined },
): Promise<Generated> {
  const { n = 1, temperature = 0, topP = 1, topK = -1, signal } = options;
  const sampling = { n, temperature, topP, topK };
  const [group] = await rollout.generate([prompt], { sampling, purpose: "generate", step: 0, signal });
  return { promptTokens: prompt.ids.length, responses: group?.responses ?? [] };
}
