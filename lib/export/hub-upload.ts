// A model's files to a repository of the hub, in one commit.
import { commitIter, createRepo, HubApiError, listFiles } from "@huggingface/hub";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { hubSettings, type HubSettings } from "../data/hub-settings.ts";
import { ConfigError, ServerError } from "../errors.ts";
import { isModelFile } from "../policy/side-files.ts";
import type { ModelExport } from "./export-run.ts";

export interface UploadOptions {
  /** `org/name`. */
  readonly repo: string;
  readonly visibility: "private" | "public";
  /** Commit to a repository that is there already, whose visibility stays; its other weights are removed. */
  readonly update: boolean;
  /** Default: the process's environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
  /** @param share of the file, from 0 to 1 */
  readonly onProgress?: (file: string, share: number) => void;
}

/**
 * @returns the address of the commit
 * @throws {ConfigError} before anything is sent: no token, offline, no repository's name
 * @throws {ServerError} when the hub refuses or cannot be reached
 */
export async function uploadModel(model: ModelExport, options: UploadOptions): Promise<string> {
  const { repo: name, visibility, update, env, signal } = options;
  if (!/^[\w-][\w.-]*\/[\w-][\w.-]*$/u.test(name)) throw new ConfigError("--repo", `expected org/name, got ${name}`);
  const settings = await hubSettings(env);
  const { endpoint, token } = settings;
  if (settings.offline) throw new ConfigError("HF_HUB_OFFLINE", "expected it unset to upload");
  if (token === undefined) throw new ConfigError("HF_TOKEN", "expected a token that may write, got none");
  const access = { hubUrl: endpoint, accessToken: token, fetch: fetchWith(signal) };
  const repo = { type: "model" as const, name };
  try {
    const isNew = await createRepo({ ...access, repo, visibility }).then(
      () => true,
      (error: unknown) => {
        if (error instanceof HubApiError && error.statusCode === 409 && update) return false;
        throw error;
      },
    );
    const stale = isNew ? [] : await staleFiles(access, repo, model.files);
    const files = model.files.map((file) => ({ path: file, content: pathToFileURL(join(model.dir, file)) }));
    const commit = commitIter({
      ...access,
      repo,
      title: `papo export: step ${model.step}`,
      operations: [
        ...[...files, { path: "README.md", content: new Blob([model.card]) }].map((file) => ({ operation: "addOrUpdate" as const, ...file })), // prettier-ignore
        ...stale.map((path) => ({ operation: "delete" as const, path })),
      ],
      useXet: false, // plain LFS, which every mirror of the hub has
      ...(signal ? { abortSignal: signal } : {}),
    });
    for (;;) {
      const next = await commit.next();
      if (next.done) return next.value?.commit.url ?? `${endpoint}/${name}`;
      if (next.value.event === "fileProgress" && next.value.state === "uploading")
        options.onProgress?.(next.value.path, next.value.progress);
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw explain(error, name, settings);
  }
}

/** Weights of an earlier commit that the new one does not replace: shards of another number. */
async function staleFiles(
  access: { hubUrl: string; accessToken: string; fetch: typeof fetch },
  repo: { type: "model"; name: string },
  files: readonly string[],
): Promise<string[]> {
  const stale: string[] = [];
  for await (const { type, path } of listFiles({ ...access, repo }))
    if (type === "file" && path.startsWith("model") && isModelFile(path) && !files.includes(path)) stale.push(path);
  return stale;
}

function fetchWith(signal: AbortSignal | undefined): typeof fetch {
  return (address, init) => fetch(address, { ...init, ...(signal && !init?.signal ? { signal } : {}) });
}

function explain(error: unknown, name: string, { endpoint }: HubSettings): Error {
  const url = `${endpoint}/${name}`;
  if (!(error instanceof HubApiError)) {
    const { cause, message } = error as Error;
    const reason = cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : message;
    return new ServerError(url, undefined, `upload failed: ${reason}`, { cause: error });
  }
  const { statusCode: status, message } = error;
  if (status === 409)
    return new ServerError(url, status, "it is there already; --update commits to it", { cause: error });
  if (status === 401 || status === 403)
    return new ServerError(url, status, `status ${status}: the token in use may not write there`, { cause: error });
  return new ServerError(url, status, `status ${status}: ${message}`, { cause: error });
}
