// A stand-in of an MLflow tracking server on 127.0.0.1: the calls that papo makes, with the checks of the real one's REST
// API (names, types, limits of a batch, immutable parameters), its error codes, and the ways in which servers fail.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

export interface StoredRun {
  readonly run_id: string;
  readonly experiment_id: string;
  readonly run_name: string;
  status: string;
  end_time: number | undefined;
  readonly metrics: { key: string; value: number; timestamp: number; step: number }[];
  readonly params: Map<string, string>;
  readonly tags: Map<string, string>;
  readonly artifacts: Map<string, string>;
}

export interface MlflowServer {
  readonly uri: string;
  readonly experiments: Map<string, string>;
  readonly runs: Map<string, StoredRun>;
  /** `METHOD path` of each request. */
  readonly requests: string[];
  /** Metrics of each batch that was taken. */
  readonly batches: number[];
  readonly behaviour: {
    /** Answers this before all else; `hang` gives no answer, `cut` breaks the connection. */
    fail?: number | "hang" | "cut" | undefined;
    /** The Authorization header that is needed. */
    authorization?: string;
    /** Where artifacts go; default: the server itself. */
    artifactRoot?: string;
  };
}

class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    text: string,
  ) {
    super(text);
  }
}

const invalid = (text: string) => new Refused(400, "INVALID_PARAMETER_VALUE", text);
const absent = (text: string) => new Refused(404, "RESOURCE_DOES_NOT_EXIST", text);

export async function startMlflow(behaviour: MlflowServer["behaviour"] = {}): Promise<MlflowServer> {
  const store = { experiments: new Map(), runs: new Map(), requests: [], batches: [], behaviour } as Omit<MlflowServer, "uri">; // prettier-ignore
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      answer(store, request, response, Buffer.concat(chunks).toString());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { ...store, uri: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

type Store = Omit<MlflowServer, "uri">;

function answer(store: Store, request: IncomingMessage, response: ServerResponse, body: string): void {
  const { behaviour } = store;
  const url = new URL(request.url ?? "", "http://mlflow");
  store.requests.push(`${request.method} ${url.pathname}`);
  const send = (status: number, value: unknown) => {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
  };
  if (behaviour.fail === "hang") return;
  if (behaviour.fail === "cut") {
    request.socket.destroy();
    return;
  }
  try {
    if (behaviour.fail !== undefined) throw new Refused(behaviour.fail, "TEMPORARILY_UNAVAILABLE", "as told");
    if (behaviour.authorization !== undefined && request.headers.authorization !== behaviour.authorization)
      throw new Refused(401, "UNAUTHENTICATED", "who are you?");
    send(200, handle(store, `${request.method} ${url.pathname}`, url, body));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    send(error.status, { error_code: error.code, message: error.message });
  }
}

function handle(store: Store, call: string, url: URL, body: string): unknown {
  const prefix = "/api/2.0/mlflow-artifacts/artifacts/";
  if (call.startsWith(`PUT ${prefix}`)) {
    const [, experiment, id, path] =
      /^([^/]+)\/([^/]+)\/artifacts\/(.+)$/u.exec(decodeURIComponent(url.pathname.slice(prefix.length))) ?? [];
    const run = runOf(store, id);
    if (run.experiment_id !== experiment || path === undefined) throw invalid("artifact path");
    run.artifacts.set(path, body);
    return {};
  }
  const json = body === "" ? {} : (JSON.parse(body) as Record<string, unknown>);
  switch (call) {
    case "GET /api/2.0/mlflow/experiments/get-by-name": {
      const id = store.experiments.get(url.searchParams.get("experiment_name") ?? "");
      if (id === undefined) throw absent("no such experiment");
      return { experiment: { experiment_id: id } };
    }
    case "POST /api/2.0/mlflow/experiments/create": {
      const { name } = fields(json, { name: "string" });
      if (store.experiments.has(name as string)) throw new Refused(400, "RESOURCE_ALREADY_EXISTS", "there already");
      store.experiments.set(name as string, String(store.experiments.size + 1));
      return { experiment_id: String(store.experiments.size) };
    }
    case "POST /api/2.0/mlflow/runs/create":
      return { run: { info: infoOf(store, createRun(store, json)) } };
    case "GET /api/2.0/mlflow/runs/get":
      return { run: { info: infoOf(store, runOf(store, url.searchParams.get("run_id") ?? undefined)) } };
    case "POST /api/2.0/mlflow/runs/update": {
      const { run_id, status, end_time } = fields(json, { run_id: "string", status: "string" }, { end_time: "number" });
      if (!["RUNNING", "FINISHED", "FAILED", "KILLED"].includes(status as string)) throw invalid("status");
      const run = runOf(store, run_id as string);
      run.status = status as string;
      run.end_time = end_time as number | undefined;
      return { run_info: {} };
    }
    case "POST /api/2.0/mlflow/runs/log-batch":
      logBatch(store, json);
      return {};
    default:
      throw new Refused(404, "ENDPOINT_NOT_FOUND", call);
  }
}

/** The body's fields, each of its type; no others. */
function fields(
  json: Record<string, unknown>,
  required: Record<string, string>,
  optional: Record<string, string> = {},
) {
  const known = { ...required, ...optional };
  for (const [name, value] of Object.entries(json))
    if (typeof value !== known[name]) throw invalid(`${name}: ${JSON.stringify(value)}`);
  for (const name of Object.keys(required)) if (!(name in json)) throw invalid(`${name} is missing`);
  return json;
}

function createRun(store: Store, json: Record<string, unknown>): StoredRun {
  const { experiment_id, run_name, tags } = fields(
    json,
    { experiment_id: "string", run_name: "string", start_time: "number" },
    { tags: "object" },
  );
  if (![...store.experiments.values()].includes(experiment_id as string)) throw absent("no such experiment");
  const run_id = `${"0".repeat(31)}${store.runs.size + 1}`;
  const run: StoredRun = {
    ...{ run_id, experiment_id: experiment_id as string, run_name: run_name as string },
    ...{ status: "RUNNING", end_time: undefined, metrics: [] },
    ...{ params: new Map(), tags: pairs(tags), artifacts: new Map() },
  };
  store.runs.set(run_id, run);
  return run;
}

function infoOf({ behaviour }: Store, { run_id, experiment_id, status }: StoredRun) {
  const root = behaviour.artifactRoot ?? "mlflow-artifacts:";
  return { run_id, status, lifecycle_stage: "active", artifact_uri: `${root}/${experiment_id}/${run_id}/artifacts` };
}

function runOf({ runs }: Store, id: string | undefined): StoredRun {
  const run = runs.get(id ?? "");
  if (!run) throw absent(`no run ${id}`);
  return run;
}

function checkKey(key: unknown): string {
  if (
    typeof key !== "string" ||
    !/^[\w\-. /]{1,250}$/u.test(key) ||
    key.split("/").some((part) => ["", ".", ".."].includes(part))
  )
    // prettier-ignore
    throw invalid(`key ${JSON.stringify(key)}`);
  return key;
}

function pairs(list: unknown): Map<string, string> {
  return new Map(
    ((list ?? []) as { key: unknown; value: unknown }[]).map(({ key, value }) => {
      if (typeof value !== "string" || value.length > 500) throw invalid(`value of ${String(key)}`);
      return [checkKey(key), value];
    }),
  );
}

function logBatch(store: Store, json: Record<string, unknown>): void {
  const { run_id, metrics = [], params } = fields(json, { run_id: "string" }, { metrics: "object", params: "object" });
  const run = runOf(store, run_id as string);
  const points = metrics as StoredRun["metrics"];
  const given = pairs(params);
  if (points.length > 1000 || given.size > 100) throw invalid("too many in one batch");
  for (const { key, value, timestamp, step, ...rest } of points) {
    checkKey(key);
    if (![value, timestamp, step].every((number) => Number.isFinite(number))) throw invalid(`metric ${key}`);
    if (!Number.isInteger(timestamp) || !Number.isInteger(step) || Object.keys(rest).length > 0) throw invalid(key);
  }
  for (const [key, value] of given) {
    if (run.params.has(key) && run.params.get(key) !== value) throw invalid(`param ${key} is another one already`);
    run.params.set(key, value);
  }
  run.metrics.push(...points);
  if (points.length > 0) store.batches.push(points.length);
}
