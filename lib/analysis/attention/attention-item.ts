// One sample of the attention analysis: a line of <benchmark>/items.jsonl.
import type { Example, FinishReason, Response } from "../../types.ts";
import { normalizedEntropy, total } from "./image-attention.ts";

export interface AttendedResponse {
  readonly text: string;
  readonly finishReason: FinishReason;
  readonly numTokens: number;
  /** Of its attention over the image tokens: 1 is even, 0 one token. */
  readonly entropy: number;
  /** Share of its attention that goes to image tokens, in [0, 1]. */
  readonly imageShare: number;
}

export interface AttentionItem {
  /** `<benchmark>/<the row's own id>`. */
  readonly id: string;
  readonly file: string;
  /** 1-based. */
  readonly row: number;
  readonly numImages: number;
  readonly numImageTokens: number;
  /** [1] */
  readonly responses: readonly AttendedResponse[];
}

/** @param attention [M] of the response on each image token, M at least 2 */
export function attentionItem(example: Example, response: Response, attention: Float64Array): AttentionItem {
  const { id, file, row, images } = example;
  const { text, finishReason, ids } = response;
  const measured = { entropy: normalizedEntropy(attention), imageShare: total(attention) };
  const responses = [{ text, finishReason, numTokens: ids.length, ...measured }];
  return { id, file, row, numImages: images.length, numImageTokens: attention.length, responses };
}
