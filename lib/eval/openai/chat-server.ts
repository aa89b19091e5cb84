// HTTP with an OpenAI-compatible server: one request, its time limit, what counts as transient, and errors in words
// that never hold the key.
import { z } from "zod";
import { ConfigError, ServerError } from "../../errors.ts";
import { parseRetryAfter, type RetrySettings, TransientError, withRetries } from "./backoff.ts";

export interface ServerSettings extends RetrySettings {
  /** Up to and including the version: http://127.0.0.1:8000/v1 */
  readonly baseUrl: string;
  /** Sent as a bearer token; from the environment, never from the command line. */
  readonly apiKey: string | undefined;
  /** Of one request, its answer's last byte included. */
  readonly timeoutMs: number;
}

/** One request that the server will not take, however often it is sent. */
export class RejectedError extends ServerError {}

const choiceSchema = z.object({
  message: z.object({ content: z.string().nullish() }).nullish(),
  finish_reason: z.string().nullish(),
});
const answerSchema = z.object({
  choices: z.array(choiceSchema).nullish(),
  usage: z.object({ completion_tokens: z.number().nullish() }).nullish(),
});
export type ChatAnswer = z.output<typeof answerSchema>;

const modelsSchema = z.object({ data: z.array(z.object({ id: z.string() })) });
const errorSchema = z.object({ error: z.union([z.string(), z.object({ message: z.string() })]) });

const transientStatuses = new Set([408, 409, 425, 429]);
/** What is wrong with this request alone: a picture too large, a prompt too long. */
const rejectedStatuses = new Set([400, 413, 414, 415, 422]);
const maxShown = 300;

export class ChatServer {
  readonly #settings: ServerSettings;

  /** @throws {ConfigError} when the address is none of http or https, or holds a user or password */
  constructor(settings: ServerSettings) {
    const url = URL.canParse(settings.baseUrl) ? new URL(settings.baseUrl) : undefined;
    if (url === undefined || !["http:", "https:"].includes(url.protocol))
      throw new ConfigError("--base-url", `expected an address like http://127.0.0.1:8000/v1, got ${JSON.stringify(settings.baseUrl)}`); // prettier-ignore
    if (url.username !== "" || url.password !== "")
      throw new ConfigError("--base-url", "expected an address without a user or password; a key belongs into OPENAI_API_KEY"); // prettier-ignore
    this.#settings = { ...settings, baseUrl: settings.baseUrl.replace(/\/+$/u, "") };
  }

  /**
   * @throws {RejectedError} for this request alone, {ExhaustedError} when all tries failed, {ServerError} for what stops
   *   all: a wrong key, a model that is not there; the signal's reason when aborted
   */
  async complete(body: Readonly<Record<string, unknown>>, signal?: AbortSignal): Promise<ChatAnswer> {
    return await this.#ask("/chat/completions", answerSchema, body, signal);
  }

  /** Names of the models that the server has. */
  async models(signal?: AbortSignal): Promise<string[]> {
    return (await this.#ask("/models", modelsSchema, undefined, signal)).data.map(({ id }) => id);
  }

  async #ask<T>(path: string, schema: z.ZodType<T>, body: unknown, signal: AbortSignal | undefined): Promise<T> {
    const url = this.#settings.baseUrl + path;
    return await withRetries(url, this.#settings, () => this.#once(url, schema, body, signal), signal);
  }

  async #once<T>(url: string, schema: z.ZodType<T>, body: unknown, signal: AbortSignal | undefined): Promise<T> {
    const { status, text, retryAfter } = await this.#exchange(url, body, signal);
    if (status === 200) {
      const value = parseJson(text);
      const parsed = schema.safeParse(value);
      // A proxy's page, or an error in the clothes of a success.
      if (!parsed.success || errorSchema.safeParse(value).success)
        throw new TransientError(`status 200 with another answer: ${this.#shown(text)}`, { status });
      return parsed.data;
    }
    const told = `status ${status}: ${this.#shown(text)}`;
    if (status >= 500 || transientStatuses.has(status))
      throw new TransientError(told, { status, retryAfterMs: parseRetryAfter(retryAfter, Date.now()) });
    if (rejectedStatuses.has(status)) throw new RejectedError(url, status, told);
    const hint = status === 401 || status === 403 ? " (the key is taken from OPENAI_API_KEY)" : "";
    throw new ServerError(url, status, told + hint);
  }

  async #exchange(url: string, body: unknown, signal: AbortSignal | undefined) {
    const { apiKey, timeoutMs } = this.#settings;
    const limit = AbortSignal.timeout(timeoutMs);
    try {
      const response = await fetch(url, {
        method: body === undefined ? "GET" : "POST",
        headers: {
          "content-type": "application/json",
          ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        redirect: "error", // a key goes where it was meant to go
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      });
      const text = await response.text();
      return { status: response.status, text, retryAfter: response.headers.get("retry-after") };
    } catch (error) {
      signal?.throwIfAborted();
      const text = limit.aborted ? `no answer within ${timeoutMs / 1000} s` : `no connection: ${causeOf(error)}`;
      throw new TransientError(text, { cause: error });
    }
  }

  /** The message of an error's body, or its start; one line, without the key. */
  #shown(text: string): string {
    const parsed = errorSchema.safeParse(parseJson(text));
    const error = parsed.success ? parsed.data.error : text;
    const message = (typeof error === "string" ? error : error.message).replaceAll(/\s+/gu, " ").trim();
    const { apiKey } = this.#settings;
    const safe = apiKey ? message.replaceAll(apiKey, "***") : message;
    return safe === "" ? "an empty body" : safe.slice(0, maxShown);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function causeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof Error) return (cause as NodeJS.ErrnoException).code ?? cause.message;
  return error instanceof Error ? error.message : String(error);
}
