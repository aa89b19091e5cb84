// MLflow's REST API, as far as a run needs it: https://mlflow.org/docs/latest/rest-api.html.
import { ServerError } from "../errors.ts";
import { parseRetryAfter, type RetrySettings, TransientError, withRetries } from "../eval/openai/backoff.ts";
import type { RunOutcome } from "../trainer/run-outcome.ts";
import type { MlflowSettings } from "./mlflow-settings.ts";

export interface MetricPoint {
  readonly key: string;
  readonly value: number;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  readonly step: number;
}

export interface KeyValue {
  readonly key: string;
  readonly value: string;
}

export interface MlflowRun {
  readonly run_id: string;
  readonly artifact_uri: string;
}

export interface MlflowClientOptions {
  readonly signal: AbortSignal;
  /** Called with the reason when a request fails in passing. */
  readonly onTrouble: (text: string) => void;
  readonly timeoutMs?: number;
  readonly retry?: RetrySettings;
}

/** What a server takes in one request. */
export const maxBatch = { metrics: 1000, params: 100 } as const;

interface Sent {
  readonly method: string;
  readonly body?: string;
  readonly contentType: string;
}

const statuses: Readonly<Record<RunOutcome, string>> = {
  finished: "FINISHED",
  failed: "FAILED",
  stopped: "KILLED",
  interrupted: "KILLED",
};
const patient: RetrySettings = { attempts: Infinity, baseDelayMs: 1000, maxDelayMs: 5000 };

/** Each call is tried until it succeeds, is refused for good (a ServerError) or the signal is aborted. */
export class MlflowClient {
  readonly #settings: MlflowSettings;
  readonly #options: MlflowClientOptions;

  constructor(settings: MlflowSettings, options: MlflowClientOptions) {
    this.#settings = settings;
    this.#options = options;
  }

  /** The id of the experiment of that name, made if there is none. */
  async experimentId(name: string): Promise<string> {
    const find = `experiments/get-by-name?experiment_name=${encodeURIComponent(name)}`;
    const found = async () => (await this.#call<{ experiment: { experiment_id: string } }>("GET", find)).experiment;
    try {
      return (await found()).experiment_id;
    } catch (error) {
      if (!(error instanceof ServerError) || error.status !== 404) throw error;
    }
    try {
      return (await this.#call<{ experiment_id: string }>("POST", "experiments/create", { name })).experiment_id;
    } catch (error) {
      if (!(error instanceof ServerError) || !error.message.includes("RESOURCE_ALREADY_EXISTS")) throw error;
      return (await found()).experiment_id; // another run has made it meanwhile
    }
  }

  async createRun(experiment_id: string, run_name: string, tags: readonly KeyValue[]): Promise<MlflowRun> {
    const body = { experiment_id, run_name, start_time: Date.now(), tags };
    return (await this.#call<{ run: { info: MlflowRun } }>("POST", "runs/create", body)).run.info;
  }

  /** Takes a run up again; undefined when the server does not have it any more. */
  async reopenRun(run_id: string): Promise<MlflowRun | undefined> {
    try {
      const path = `runs/get?run_id=${encodeURIComponent(run_id)}`;
      const { run } = await this.#call<{ run: { info: MlflowRun & { lifecycle_stage?: string } } }>("GET", path);
      if (run.info.lifecycle_stage === "deleted") return undefined;
      await this.#call("POST", "runs/update", { run_id, status: "RUNNING" });
      return run.info;
    } catch (error) {
      if (error instanceof ServerError && error.status === 404) return undefined;
      throw error;
    }
  }

  async logParams(run_id: string, params: readonly KeyValue[]): Promise<void> {
    for (let at = 0; at < params.length; at += maxBatch.params)
      await this.#call("POST", "runs/log-batch", { run_id, params: params.slice(at, at + maxBatch.params) });
  }

  /** @param metrics at most maxBatch.metrics */
  async logMetrics(run_id: string, metrics: readonly MetricPoint[]): Promise<void> {
    await this.#call("POST", "runs/log-batch", { run_id, metrics });
  }

  /** Stores a file with the run; false where the server does not take artifacts itself. */
  async logArtifact({ artifact_uri }: MlflowRun, path: string, content: string): Promise<boolean> {
    const folder = /^mlflow-artifacts:(?:\/\/[^/]*)?\/(.+)$/u.exec(artifact_uri)?.[1];
    if (folder === undefined) return false;
    const url = `${this.#settings.uri}/api/2.0/mlflow-artifacts/artifacts/${encodeURI(`${folder}/${path}`)}`;
    await this.#request(url, { method: "PUT", body: content, contentType: "text/plain" });
    return true;
  }

  async endRun(run_id: string, outcome: RunOutcome): Promise<void> {
    await this.#call("POST", "runs/update", { run_id, status: statuses[outcome], end_time: Date.now() });
  }

  async #call<T>(method: "GET" | "POST", path: string, body?: unknown): Promise<T> {
    const url = `${this.#settings.uri}/api/2.0/mlflow/${path}`;
    const content = body === undefined ? {} : { body: JSON.stringify(body) };
    const text = await this.#request(url, { method, ...content, contentType: "application/json" });
    try {
      return JSON.parse(text) as T;
    } catch (error) {
      throw new ServerError(url, 200, "expected JSON; is this an MLflow server?", { cause: error });
    }
  }

  async #request(url: string, { contentType, ...init }: Sent): Promise<string> {
    const { signal, onTrouble, timeoutMs = 20_000, retry = patient } = this.#options;
    const { authorization } = this.#settings;
    const headers = { "content-type": contentType, ...(authorization === undefined ? {} : { authorization }) };
    return await withRetries(
      url,
      retry,
      async () => {
        try {
          return await attempt(url, { ...init, headers }, AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]));
        } catch (error) {
          if (error instanceof TransientError && !signal.aborted) onTrouble(error.message);
          throw error;
        }
      },
      signal,
    );
  }
}

/** @throws {TransientError} when another try may help, {ServerError} when not */
async function attempt(url: string, init: RequestInit, signal: AbortSignal): Promise<string> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, { ...init, signal });
    text = await response.text();
  } catch (error) {
    const { name, cause } = error as Error;
    const reason = cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : undefined;
    throw new TransientError(name === "TimeoutError" ? "no answer in time" : (reason ?? "no connection"), {
      cause: error,
    });
  }
  const { status } = response;
  if (response.ok) return text;
  const said = text.trim().split("\n")[0]?.slice(0, 300) ?? "";
  if (status === 429 || status === 408 || status >= 500) {
    const retryAfterMs = parseRetryAfter(response.headers.get("retry-after"), Date.now());
    throw new TransientError(`status ${status}: ${said}`, { status, retryAfterMs });
  }
  const login = status === 401 || status === 403 ? "; see MLFLOW_TRACKING_TOKEN and MLFLOW_TRACKING_USERNAME" : "";
  throw new ServerError(url, status, `status ${status}: ${said}${login}`);
}
