// A prompt that a program or the command line gives, beside those of data sets.
import { ConfigError, DataError } from "../errors.ts";
import type { Example, Prompt } from "../types.ts";
import { type Processor, releasePrompt } from "./processor.ts";

export interface PromptText {
  /** The question; pictures stand where its <image> marks are, or before it when it has none. */
  readonly prompt: string;
  /** Files, or encoded bytes (PNG, JPEG, WebP, GIF, TIFF), in the order of the marks. */
  readonly images?: readonly (string | Uint8Array)[] | undefined;
}

const mark = "<image>";
/** Stands for the file in messages, and for the id in random numbers. */
const place = "prompt";

/**
 * Runs `use` with the prompt, which is released when that has ended.
 * @throws {ConfigError} for marks that are not one a picture, {DataError} for a picture or a prompt that is too long
 */
export async function withPrompt<T>(
  processor: Processor,
  text: PromptText,
  use: (prompt: Prompt) => Promise<T>,
): Promise<T> {
  const prompt = await processor.prepare(exampleOf(text)).catch((error: unknown) => {
    throw error instanceof DataError ? withoutRow(error) : error;
  });
  try {
    return await use(prompt);
  } finally {
    releasePrompt(prompt);
  }
}

function exampleOf({ prompt, images = [] }: PromptText): Example {
  const numMarks = prompt.split(mark).length - 1;
  if (numMarks > 0 && numMarks !== images.length)
    throw new ConfigError("--prompt", `expected one ${mark} mark a picture, got ${numMarks} for ${images.length}`);
  return {
    id: place,
    problem: numMarks > 0 ? prompt : mark.repeat(images.length) + prompt,
    answer: "",
    images: images.map((image) => (typeof image === "string" ? { path: image } : { bytes: image })),
    file: place,
    row: 1,
    extra: {},
  };
}

/** Such a prompt has no row. */
function withoutRow(error: DataError): DataError {
  return new DataError(place, undefined, error.message.replace(`${place}:1: `, ""), { cause: error });
}
