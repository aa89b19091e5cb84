import type { RunConfig } from "../config/schema.ts";
import type { MaskedView } from "../native/binding.ts";

/**
 * The masked view of a step's pictures: cells follow from the run's seed, the prompt's epoch and id, and the picture's index (and the response's with aug.per: response), so a restart draws the same. By saliency they follow from the picture's ranking alone.
 */
export function maskedView({ aug, seed }: Pick<RunConfig, "aug" | "seed">): MaskedView {
  const { strategy, mode, patchPx, ratio, exact, fill, per } = aug;
  return { strategy, mode, patchPx, ratio, exact, fill, seed, perResponse: per === "response" };
}
