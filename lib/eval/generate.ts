// One prompt with pictures -> responses: what `papo generate` prints.
import { ConfigError, DataError } from "../errors.ts";
import { releasePrompt } from "../processor/processor.ts";
import type { Example, Response } from "../types.ts";
import { openModel, openProcessor, type SamplingSettings } from "./open-model.ts";

export interface GenerateOptions extends SamplingSettings {
  /** A checkpoint folder or a hub id. */
  readonly model: string;
  /** The question; pictures stand where its <image> marks are, or before it when it has none. */
  readonly prompt: string;
  /** Picture files. */
  readonly images?: readonly string[];
  readonly signal?: AbortSignal;
}

export interface Generated {
  /** Image tokens included. */
  readonly promptTokens: number;
  /** [n] */
  readonly responses: readonly Response[];
}

const mark = "<image>";

/**
 * n responses to a prompt; greedy (temperature 0) and one of them by default. The same options give the same responses.
 * @throws {ConfigError} for a setting or marks that are not one a picture, {DataError} for a picture,
 *   {CheckpointError} for the model
 */
export async function generate(options: GenerateOptions): Promise<Generated> {
  const example = exampleOf(options.prompt, options.images ?? []);
  const opened = await openProcessor(options.model, options, options.signal);
  const prompt = await opened.processor.prepare(example).catch((error: unknown) => {
    throw error instanceof DataError ? withoutRow(error) : error;
  });
  try {
    using model = await openModel(opened, options, options.signal);
    const { n = 1, temperature = 0, topP = 1, topK = -1, signal } = options;
    const sampling = { n, temperature, topP, topK };
    const [group] = await model.rollout.generate([prompt], { sampling, purpose: "generate", step: 0, signal });
    return { promptTokens: prompt.ids.length, responses: group?.responses ?? [] };
  } finally {
    releasePrompt(prompt);
  }
}

function exampleOf(prompt: string, images: readonly string[]): Example {
  const numMarks = prompt.split(mark).length - 1;
  if (numMarks > 0 && numMarks !== images.length)
    throw new ConfigError("--prompt", `expected one ${mark} mark a picture, got ${numMarks} for ${images.length}`);
  const problem = numMarks > 0 ? prompt : mark.repeat(images.length) + prompt;
  return {
    id: "prompt",
    problem,
    answer: "",
    images: images.map((path) => ({ path })),
    file: place,
    row: 1,
    extra: {},
  };
}

const place = "prompt";

/** A prompt of the command line has no row. */
function withoutRow(error: DataError): DataError {
  return new DataError(place, undefined, error.message.replace(`${place}:1: `, ""), { cause: error });
}
