// What answers a benchmark's rows: a checkpoint of papo's own (local-engine.ts) or a server (openai/).
import type { Dataset } from "../../data/dataset.ts";
import type { SkipCounter } from "../../data/skips.ts";
import type { Example } from "../../types.ts";
import type { Generated } from "./item.ts";

export interface GenerateOptions {
  readonly isDone: (example: Example) => boolean;
  /** Called with rows that turned out unusable. */
  readonly skips: SkipCounter;
  readonly signal?: AbortSignal | undefined;
  /** Responses of the batch under way that are finished, and about how many tokens this pass has sampled. */
  readonly onProgress?: (numResponses: number, numTokens: number) => void;
}

export interface Engine {
  /** What answers; plain JSON that goes into settings.json. */
  readonly identity: Readonly<Record<string, unknown>>;
  /** What happened since it was opened that a reader of the results should know, by name. */
  readonly counters: Readonly<Record<string, number>>;
  /** Whether the row's prompt is within the limit, as far as the engine can tell. */
  fits(example: Example): Promise<boolean>;
  /**
   * The rows that are not done, with n responses each, as they become ready; what a row's responses are depends on the
   * settings and its id alone.
   * @throws what stops all: a broken checkpoint, a server that is not there
   */
  generate(dataset: Dataset, options: GenerateOptions): AsyncIterable<readonly Generated[]>;
}
