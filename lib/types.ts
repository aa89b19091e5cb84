// The carriers of the flow: dataset -> Example -> Prompt -> Group -> rewarded Group -> StepMetrics.
import type { ImageHandle } from "./native/binding.ts";

/** A picture as a data set names it: a file (absolute path) or the encoded bytes from a parquet cell. */
export type ImageSource = { readonly path: string } | { readonly bytes: Uint8Array };

/** One row of a data set. */
export interface Example {
  /** The row's own id, or `<file name>:<row>`; unique in the data set, the root of every random number for it. */
  readonly id: string;
  /** The question, with one `<image>` mark per picture. */
  readonly problem: string;
  /** The ground truth; for `papo sft` the whole target text is in `response`. */
  readonly answer: string;
  /** Target text of a supervised row. */
  readonly response?: string;
  readonly images: readonly ImageSource[];
  /** Where it came from, for messages. */
  readonly file: string;
  /** 1-based. */
  readonly row: number;
  /** Other columns of the row that the reward module may want. */
  readonly extra: Readonly<Record<string, unknown>>;
}

/** What the policy is given: token ids with image tokens expanded to the merged grid, and the decoded pictures. */
export interface Prompt {
  readonly example: Example;
  /** The pass over the data set that it was drawn in, from 0. */
  readonly epoch: number;
  /** [P] token ids; one image-pad id per merged patch. */
  readonly ids: Int32Array;
  /** Decoded RGB pictures with their resize plan; owned by the prompt. */
  readonly images: readonly ImageHandle[];
  /** Per picture [t, h, w] in patches before the 2x2 merge. */
  readonly imageGridThw: readonly (readonly [number, number, number])[];
}

export type FinishReason = "stop" | "length";

/** One sampled response. */
export interface Response {
  /** [R] token ids, the stop token included when there is one. */
  readonly ids: Int32Array;
  /** [R] nats: of each id under softmax(logits / temperature) when it was sampled. */
  readonly logProbs: Float32Array;
  readonly finishReason: FinishReason;
  /** Decoded, special tokens skipped. */
  readonly text: string;
}

/** Reward parts of a response, each in [0, 1] for the published reward; a user's module may add parts. */
export interface Reward {
  readonly overall: number;
  readonly [part: string]: number;
}

/** A prompt and its n responses: the unit of work from rollout to gradient. */
export interface Group {
  readonly prompt: Prompt;
  readonly responses: readonly Response[];
}

export interface RewardedGroup extends Group {
  /** [n], same order as responses. */
  readonly rewards: readonly Reward[];
}

/** One training step's numbers by metric name (lib/trainer/metrics.ts lists them). */
export type StepMetrics = Readonly<Record<string, number>>;
