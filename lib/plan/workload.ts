// The lengths that a plan assumes, as one typical group.
import type { RunConfig } from "../config/schema.ts";
import { ConfigError } from "../errors.ts";
import type { GridThw, GroupShape } from "./flops.ts";
import type { ModelSizes } from "./weights.ts";

/** Mean lengths of a step. */
export interface Lengths {
  /** Tokens of a prompt, picture tokens included. */
  readonly promptTokens: number;
  /** Those of its picture after the merge; 0: no picture. */
  readonly imageTokens: number;
  readonly responseTokens: number;
}

/** What the published runs are taken to have; their data has pictures of 256 to 1280 tokens, lengths are not published. */
export const publishedLengths: Lengths = { promptTokens: 1200, imageTokens: 1000, responseTokens: 500 };

function checked(name: string, value: number, [min, max, limit]: readonly [number, number, string]): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw new ConfigError(name, `expected an integer from ${min} to ${limit} (${max}), got ${value}`);
}

/**
 * The given lengths, completed: those of the published runs where the run's limits allow them.
 * @throws {ConfigError} naming the option when a length is beyond the run's limits, or a picture longer than its prompt
 */
export function lengthsOf({ data }: RunConfig, given: Partial<Lengths>): Lengths {
  const { maxPromptLength, maxResponseLength } = data;
  const { promptTokens: prompt, imageTokens: image, responseTokens: response } = publishedLengths;
  const promptTokens = checked(
    "--prompt-tokens",
    given.promptTokens ??
      Math.max(Math.min(prompt, maxPromptLength), Math.min(given.imageTokens ?? 0, maxPromptLength)),
    [1, maxPromptLength, "data.maxPromptLength"],
  );
  const usualImage = Math.min(Math.floor((promptTokens * image) / prompt), Math.floor(data.maxPixels / 28 ** 2));
  return {
    promptTokens,
    imageTokens: checked("--image-tokens", given.imageTokens ?? usualImage, [0, promptTokens, "the prompt's tokens"]),
    responseTokens: checked("--response-tokens", given.responseTokens ?? Math.min(response, maxResponseLength), [
      1,
      maxResponseLength,
      "data.maxResponseLength",
    ]),
  };
}

/** The most nearly square grid of exactly so many merged tokens: 1000 -> 25 x 40 -> [1, 50, 80] patches. */
function gridOf(imageTokens: number, merge: number): GridThw {
  let rows = Math.floor(Math.sqrt(imageTokens));
  while (imageTokens % rows !== 0) rows -= 1;
  return [1, rows * merge, (imageTokens / rows) * merge];
}

/** A group of these lengths with `n` responses, and one picture at most. */
export function groupOf(
  { vision }: ModelSizes,
  { promptTokens, imageTokens, responseTokens }: Lengths,
  n: number,
): GroupShape {
  return {
    promptTokens,
    grids: imageTokens === 0 ? [] : [gridOf(imageTokens, vision.spatialMergeSize)],
    responseLengths: Array.from({ length: n }, () => responseTokens),
  };
}
