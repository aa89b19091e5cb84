// A model behind an OpenAI-compatible server as the engine of an evaluation: several rows at a time, each with as many
// requests as it takes to get n responses.
import type { Dataset } from "../../data/dataset.ts";
import { ConfigError, DataError, ServerError } from "../../errors.ts";
import type { Example } from "../../types.ts";
import type { Engine, GenerateOptions } from "../benchmarks/engine.ts";
import type { EngineResponse, Generated } from "../benchmarks/item.ts";
import type { EvaluationSettings } from "../benchmarks/settings.ts";
import { ExhaustedError } from "./backoff.ts";
import { chatMessages, requestSeed } from "./chat-request.ts";
import { type ChatAnswer, ChatServer, RejectedError, type ServerSettings } from "./chat-server.ts";
import { concurrently } from "./concurrently.ts";

export interface OpenAiEngineOptions extends ServerSettings {
  /** Default: the server's only model. */
  readonly model?: string | undefined;
  /** Rows asked at a time. */
  readonly concurrency: number;
  readonly signal?: AbortSignal | undefined;
}

/** Answers in a row without a choice, after which the row is given up. */
const maxEmptyAnswers = 3;
/** Rows in a row whose tries are used up, after which the server counts as gone. */
const maxLostRows = 3;

export class OpenAiEngine implements Engine {
  readonly identity: Readonly<Record<string, unknown>>;
  /** shortAnswers: answers with fewer choices than asked for; the missing ones were asked for again. */
  readonly counters = { shortAnswers: 0 };
  readonly #server: ChatServer;
  readonly #model: string;
  readonly #settings: EvaluationSettings;
  readonly #concurrency: number;

  private constructor(server: ChatServer, model: string, settings: EvaluationSettings, options: OpenAiEngineOptions) {
    this.identity = { engine: "openai", model, baseUrl: options.baseUrl.replace(/\/+$/u, "") };
    this.#server = server;
    this.#model = model;
    this.#settings = settings;
    this.#concurrency = options.concurrency;
  }

  /** @throws {ConfigError} when no model is named and the server has not just one, {ServerError} when it does not say */
  static async open(settings: EvaluationSettings, options: OpenAiEngineOptions): Promise<OpenAiEngine> {
    const server = new ChatServer(options);
    const model = options.model ?? (await onlyModel(server, options.signal));
    return new OpenAiEngine(server, model, settings, options);
  }

  /** The server knows its limit; a prompt over it is rejected and counted as unusable. */
  fits(): Promise<boolean> {
    return Promise.resolve(true);
  }

  async *generate(dataset: Dataset, options: GenerateOptions): AsyncGenerator<readonly Generated[]> {
    const { skips, signal } = options;
    let lostInARow = 0;
    const rows = restOf(dataset, options);
    for await (const outcome of concurrently(rows, this.#concurrency, (row, inner) => this.#ask(row, inner), signal)) {
      if (!(outcome instanceof LostRow)) {
        lostInARow = 0;
        skips.accept();
        yield [outcome];
        continue;
      }
      const { example, error } = outcome;
      lostInARow = error instanceof ExhaustedError ? lostInARow + 1 : 0;
      if (lostInARow === maxLostRows) throw error;
      skips.skip(new DataError(example.file, example.row, error.message, { cause: error }));
    }
    skips.judge();
  }

  /** The row's responses, or why this row alone has none. */
  async #ask(example: Example, signal: AbortSignal): Promise<Generated | LostRow> {
    try {
      const messages = await chatMessages(example, this.#settings);
      return { example, prompt: example.problem, responses: await this.#responses(example, messages, signal) };
    } catch (error) {
      const isOfRow = [DataError, RejectedError, ExhaustedError, NoChoicesError].some((kind) => error instanceof kind);
      if (isOfRow) return new LostRow(example, error as Error);
      throw error;
    }
  }

  async #responses(example: Example, messages: readonly unknown[], signal: AbortSignal): Promise<EngineResponse[]> {
    const { n, temperature, topP, topK, maxTokens, seed } = this.#settings;
    const responses: EngineResponse[] = [];
    let numEmpty = 0;
    while (responses.length < n) {
      const wanted = n - responses.length;
      const answer = await this.#server.complete(
        {
          model: this.#model,
          messages,
          n: wanted,
          ...{ temperature, top_p: topP, max_tokens: maxTokens },
          ...(topK === -1 ? {} : { top_k: topK }),
          seed: requestSeed(seed, example.id, responses.length),
        },
        signal,
      );
      const got = responsesOf(answer).slice(0, wanted);
      responses.push(...got);
      if (got.length < wanted) this.counters.shortAnswers += 1;
      numEmpty = got.length === 0 ? numEmpty + 1 : 0;
      if (numEmpty === maxEmptyAnswers) throw new NoChoicesError(this.#model, undefined, `${numEmpty} answers without a choice`); // prettier-ignore
    }
    return responses;
  }
}

class NoChoicesError extends ServerError {}

/** A row that has no responses, with the reason. */
class LostRow {
  readonly example: Example;
  readonly error: Error;
  constructor(example: Example, error: Error) {
    this.example = example;
    this.error = error;
  }
}

async function onlyModel(server: ChatServer, signal: AbortSignal | undefined): Promise<string> {
  const [model, ...others] = await server.models(signal);
  if (model !== undefined && others.length === 0) return model;
  const names = model === undefined ? "none" : [model, ...others].slice(0, 10).join(", ");
  throw new ConfigError("--model", `expected the name of one of the server's models: ${names}`);
}

async function* restOf(dataset: Dataset, { isDone, skips, signal }: GenerateOptions): AsyncGenerator<Example> {
  for (let index = 0; index < dataset.length; index += 1) {
    signal?.throwIfAborted();
    try {
      const example = await dataset.read(index);
      if (!isDone(example)) yield example;
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      skips.skip(error);
    }
  }
}

function responsesOf({ choices, usage }: ChatAnswer): EngineResponse[] {
  const numTokens = choices?.length === 1 ? (usage?.completion_tokens ?? null) : null;
  return (choices ?? []).map(({ message, finish_reason }) => ({
    text: message?.content ?? null,
    finishReason: finish_reason === "length" ? ("length" as const) : ("stop" as const),
    numTokens,
  }));
}
