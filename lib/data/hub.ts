// Hugging Face repositories -> local folders in the shared cache: only the files that papo reads, each checked by hash.
import { HubApiError, datasetInfo, downloadFile, listFiles, modelInfo } from "@huggingface/hub";
import { stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { CheckpointError, DataError } from "../errors.ts";
import { HubCache } from "./hub-cache.ts";
import type { HubFile, HubRepo } from "./hub-cache.ts";
import { hubSettings } from "./hub-settings.ts";
import type { HubSettings } from "./hub-settings.ts";
import { selectShards } from "./shards.ts";

export interface HubProgress {
  readonly file: string;
  /** Over all files of the repository that are fetched. */
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface HubOptions {
  /** Default: the process's environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Branch, tag or commit; default `main`. */
  readonly revision?: string;
  readonly onProgress?: (progress: HubProgress) => void;
  readonly signal?: AbortSignal;
}

export interface HubDataset {
  readonly folder: string;
  /** Where the links in the folder lead. */
  readonly blobs: string;
}

const numAttempts = 3;

/**
 * The folder of a model: `spec` itself when it is a folder, else the hub repository `org/name` or `org/name@revision`,
 * downloaded as far as it is not in the cache: configuration, tokenizer, templates and `model*.safetensors`.
 * @throws {CheckpointError} when there is no such model, it is gated, the hub cannot be reached or it has no safetensors
 */
export async function resolveModelFolder(spec: string, options: HubOptions = {}): Promise<string> {
  if ((await stat(spec).catch(() => undefined))?.isDirectory()) return spec;
  const [id = "", revision] = spec.split("@");
  if (!/^[\w-][\w.-]*\/[\w-][\w.-]*$/.test(id))
    throw new CheckpointError(spec, "no such folder, and not a hub id (org/name or org/name@revision)");
  const repo = { type: "model" as const, id, revision: revision ?? options.revision ?? "main" };
  return (await fetchSnapshot(repo, modelFiles, options)).folder;
}

/**
 * The folder of a hub data set with the row files of one split, and for JSONL also its pictures.
 * @throws {DataError} as resolveModelFolder, or when the split is not there
 */
export async function downloadDataset(id: string, split: string, options: HubOptions = {}): Promise<HubDataset> {
  const repo = { type: "dataset" as const, id, revision: options.revision ?? "main" };
  return await fetchSnapshot(repo, (paths) => datasetFiles(paths, split), options);
}

function modelFiles(paths: readonly string[]): readonly string[] | string {
  const isWanted = (path: string) =>
    /^([^/]+\.(json|jinja)|merges\.txt|vocab\.txt|model[^/]*\.safetensors)$/.test(path);
  const wanted = paths.filter(isWanted);
  return wanted.some((path) => path.endsWith(".safetensors")) ? wanted : "it has no model*.safetensors";
}

function datasetFiles(paths: readonly string[], split: string): readonly string[] | string {
  const { files, splits } = selectShards(paths, split);
  if (files.length === 0) return `it has no files of the split ${split}, only of ${splits.join(", ") || "none"}`;
  const embedded = files.some((path) => path.endsWith(".parquet"));
  return embedded ? files : [...files, ...paths.filter((path) => /\.(png|jpe?g|webp|gif|tiff?|bmp)$/i.test(path))];
}

/** Which of a repository's files are wanted, or why there is nothing to want. */
type Choose = (paths: readonly string[]) => readonly string[] | string;

async function fetchSnapshot(repo: HubRepo, choose: Choose, options: HubOptions): Promise<HubDataset> {
  const settings = await hubSettings(options.env);
  checkRevision(repo);
  const cache = new HubCache(settings.cacheDir, repo);
  if (settings.offline) return await cachedSnapshot(repo, cache, choose, "HF_HUB_OFFLINE is set");
  const hub = new HubConnection(repo, settings, options.signal);
  try {
    const commit = await hub.commit();
    const files = await hub.files(commit);
    const chosen = chosenFiles(choose, files, repo);
    await fetchFiles(chosen, { commit, cache, hub, options });
    await cache.noteCommit(repo.revision, commit);
    return { folder: cache.snapshot(commit), blobs: cache.blobs };
  } catch (error) {
    options.signal?.throwIfAborted();
    if (isUnreachable(error))
      return await cachedSnapshot(repo, cache, choose, `${settings.endpoint} cannot be reached (${causeOf(error)})`);
    throw explain(error, repo, settings);
  }
}

async function cachedSnapshot(repo: HubRepo, cache: HubCache, choose: Choose, why: string): Promise<HubDataset> {
  const commit = await cache.commitOf(repo.revision);
  if (commit === undefined)
    throw repoError(repo, `${why}, and revision ${repo.revision} is not in the cache ${cache.folder}`);
  const chosen = choose(await cache.files(commit));
  if (typeof chosen === "string")
    throw repoError(repo, `${why}, and of its copy in ${cache.snapshot(commit)}: ${chosen}`);
  return { folder: cache.snapshot(commit), blobs: cache.blobs };
}

function chosenFiles(choose: Choose, files: readonly HubFile[], repo: HubRepo): readonly HubFile[] {
  const chosen = choose(files.map(({ path }) => path));
  if (typeof chosen === "string") throw repoError(repo, chosen);
  const paths = new Set(chosen);
  return files.filter(({ path }) => paths.has(path));
}

interface Fetching {
  readonly commit: string;
  readonly cache: HubCache;
  readonly hub: HubConnection;
  readonly options: HubOptions;
}

async function fetchFiles(files: readonly HubFile[], { commit, cache, hub, options }: Fetching): Promise<void> {
  const totalBytes = files.reduce((sum, { size }) => sum + size, 0);
  let before = 0;
  for (const file of files) {
    await withRetries(options.signal, async () => {
      let done = before;
      const open = (start: number) => hub.open(file, commit, start);
      await cache.add(commit, file, open, (bytes) => {
        done += bytes;
        options.onProgress?.({ file: file.path, doneBytes: done, totalBytes });
      });
    });
    before += file.size;
    options.onProgress?.({ file: file.path, doneBytes: before, totalBytes });
  }
}

/** A connection that breaks is taken up again where it broke. */
async function withRetries(signal: AbortSignal | undefined, run: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await run();
      return;
    } catch (error) {
      if (!isUnreachable(error) || attempt === numAttempts || signal?.aborted) throw error;
      await delay(500 * attempt, undefined, signal ? { signal } : {});
    }
  }
}

/** What papo asks of the hub about one repository. */
class HubConnection {
  readonly #repo: HubRepo;
  readonly #access: { hubUrl: string; fetch: typeof fetch; accessToken?: string };

  constructor(repo: HubRepo, settings: HubSettings, signal: AbortSignal | undefined) {
    this.#repo = repo;
    this.#access = {
      hubUrl: settings.endpoint,
      fetch: (address, init) => fetch(address, { ...init, ...(signal ? { signal } : {}) }),
      ...(settings.token === undefined ? {} : { accessToken: settings.token }),
    };
  }

  async commit(): Promise<string> {
    const { id: name, revision, type } = this.#repo;
    const info = type === "model" ? modelInfo<"sha"> : datasetInfo<"sha">;
    const { sha } = await info({ ...this.#access, name, revision, additionalFields: ["sha"] });
    if (!/^[0-9a-f]{40}$/.test(sha)) throw new Error(`the hub names ${JSON.stringify(sha)} as its commit`);
    return sha;
  }

  async files(commit: string): Promise<HubFile[]> {
    const files: HubFile[] = [];
    const entries = listFiles({ ...this.#access, repo: this.#name, recursive: true, revision: commit });
    for await (const { type, path, size, oid, lfs } of entries)
      if (type === "file") files.push({ path, size: lfs?.size ?? size, hash: lfs?.oid ?? oid ?? "" });
    return files;
  }

  async open(file: HubFile, commit: string, start: number): Promise<AsyncIterable<Uint8Array>> {
    // Plain ranges, not the chunk protocol: they can be taken up again and the whole is checked by its hash.
    const request = { ...this.#access, repo: this.#name, path: file.path, revision: commit, xet: false };
    const blob = await downloadFile(request);
    if (!blob) throw new Error(`${file.path} is listed but not there`);
    return (start > 0 ? blob.slice(start, file.size) : blob).stream();
  }

  get #name(): { type: "model" | "dataset"; name: string } {
    return { type: this.#repo.type, name: this.#repo.id };
  }
}

function checkRevision(repo: HubRepo): void {
  if (!/^[\w][\w./-]*$/.test(repo.revision) || repo.revision.includes(".."))
    throw repoError(repo, `expected a branch, tag or commit as revision, got ${JSON.stringify(repo.revision)}`);
}

/** Broken and refused connections, as opposed to answers of the hub and errors of the disk. */
function isUnreachable(error: unknown): boolean {
  // A download whose connection breaks rejects with the bare text of the cause.
  return typeof error === "string" || (error instanceof TypeError && /fetch failed|terminated/.test(error.message));
}

function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : error.message;
}

function explain(error: unknown, repo: HubRepo, { endpoint, token }: HubSettings): Error {
  if (error instanceof CheckpointError || error instanceof DataError) return error;
  if (!(error instanceof HubApiError)) return repoError(repo, `download failed: ${causeOf(error)}`, error);
  const page = `${endpoint}/${repo.type === "dataset" ? "datasets/" : ""}${repo.id}`;
  const login = token === undefined ? "set HF_TOKEN to a token that may read it" : "the token in use may not read it";
  if (error.statusCode === 404)
    return repoError(repo, `${endpoint} has no such ${repo.type} or revision ${repo.revision}`, error);
  if (error.statusCode === 401)
    return repoError(repo, `not on ${endpoint}, or private: check its name, or ${login}`, error);
  if (error.statusCode === 403) return repoError(repo, `gated: accept its conditions at ${page}, and ${login}`, error);
  return repoError(repo, `${endpoint} answered with status ${error.statusCode}: ${error.message}`, error);
}

function repoError(repo: HubRepo, text: string, cause?: unknown): Error {
  if (repo.type === "model") return new CheckpointError(repo.id, text, { cause });
  return new DataError(repo.id, undefined, text, { cause });
}
