// What a KL map shows: one row, its responses token by token on the plain and on the masked picture. Plain data, so that
// it can be kept as JSON and shown anywhere.
import type { FinishReason, Reward } from "../../types.ts";

export interface EmbeddedPicture {
  /** `data:image/...;base64,...` */
  readonly dataUrl: string;
  readonly width: number;
  readonly height: number;
}

export interface MapPicture {
  readonly plain: EmbeddedPicture;
  /** As the masked branch sees it. */
  readonly masked: EmbeddedPicture;
  /** Its image tokens: the merged grid. */
  readonly rows: number;
  readonly columns: number;
}

export interface MapToken {
  /** Empty for a token that is part of a character; the last part has the character. */
  readonly text: string;
  /** Nats, of the same token on the plain and on the masked picture. */
  readonly logProb: number;
  readonly maskedLogProb: number;
  /** KL_prcp's estimate k3 with its clamps, nats: 0 to 10. */
  readonly kl: number;
}

export interface MapResponse {
  readonly tokens: readonly MapToken[];
  readonly finishReason: FinishReason;
  readonly reward: Reward;
  /** Mean over its tokens. */
  readonly meanKl: number;
  /** By picture, row by row: its mean attention on each image token; their sum is the share that goes to pictures. */
  readonly attention: readonly (readonly number[])[];
  /** Of the attention over all image tokens, 0 to 1; null for a single one. */
  readonly attentionEntropy: number | null;
}

export interface KlMap {
  readonly model: string;
  readonly id: string;
  readonly file: string;
  /** 1-based. */
  readonly row: number;
  readonly question: string;
  /** What the model was given, special tokens included, each picture as one mark. */
  readonly prompt: string;
  /** The ground truth. */
  readonly answer: string;
  /** What else the numbers depend on, in words, by name. */
  readonly settings: Readonly<Record<string, string>>;
  readonly pictures: readonly MapPicture[];
  readonly responses: readonly MapResponse[];
}
