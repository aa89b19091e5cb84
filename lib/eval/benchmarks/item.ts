// One row of a benchmark with its graded responses: a line of <benchmark>/items.jsonl.
import { createHash } from "node:crypto";
import type { Example, FinishReason } from "../../types.ts";

/** A response as an engine gives it. */
export interface EngineResponse {
  /** Null where a server answered without text. */
  readonly text: string | null;
  readonly finishReason: FinishReason;
  /** Null where a server does not say. */
  readonly numTokens: number | null;
}

/** A row's responses as an engine gives them. */
export interface Generated {
  readonly example: Example;
  /** What the model was given, as far as the engine knows it; each picture as one mark. */
  readonly prompt: string;
  /** [n] */
  readonly responses: readonly EngineResponse[];
}

export interface GradedResponse extends EngineResponse {
  /** The last boxed answer; null without one. */
  readonly extracted: string | null;
  readonly correct: boolean;
}

export interface BenchmarkItem {
  /** `<benchmark>/<the row's own id>`; unique in an evaluation. */
  readonly id: string;
  readonly file: string;
  /** 1-based. */
  readonly row: number;
  readonly prompt: string;
  readonly numImages: number;
  /** The ground truth. */
  readonly answer: string;
  /** Of question, pictures' number and ground truth: two evaluations with the same hash asked the same. */
  readonly rowHash: string;
  /** [n] */
  readonly responses: readonly GradedResponse[];
}

export function itemOf({ example, prompt }: Generated, responses: readonly GradedResponse[]): BenchmarkItem {
  const { id, file, row, answer, images } = example;
  return { id, file, row, prompt, numImages: images.length, answer, rowHash: rowHash(example), responses };
}

function rowHash({ problem, answer, images }: Example): string {
  return shortHash([problem, answer, images.length]);
}

/** 16 hexadecimal digits of the SHA-256 of a JSON value. */
export function shortHash(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 16);
}
