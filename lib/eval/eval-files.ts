// The files of an evaluation: a line an item, the settings that all lines share, and the summary of the whole.
import { createReadStream, existsSync } from "node:fs";
import { type FileHandle, mkdir, open, readFile, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { isDeepStrictEqual } from "node:util";
import { ConfigError, DataError } from "../errors.ts";
import { diskError, writeFileAtomic } from "../trainer/durable-file.ts";
import { lockRunFolder } from "../trainer/run-lock.ts";
import type { FinishReason, Reward } from "../types.ts";

/** One row of the data set with its responses: a line of items.jsonl. */
export interface EvalItem {
  /** Of the row; unique in the file. */
  readonly id: string;
  readonly file: string;
  /** 1-based. */
  readonly row: number;
  /** What the policy was given, special tokens included, each picture as one mark. */
  readonly prompt: string;
  readonly numImages: number;
  /** The ground truth. */
  readonly answer: string;
  readonly responses: readonly {
    readonly text: string;
    /** The last boxed answer; null without one. */
    readonly extracted: string | null;
    readonly finishReason: FinishReason;
    readonly numTokens: number;
    readonly reward: Reward;
  }[];
}

export interface EvalSummary {
  /** The items' file. */
  readonly file: string;
  /** Responses a row: the n of avg@n. */
  readonly n: number;
  /** Rows evaluated. */
  readonly rows: number;
  /** Mean over rows and responses of each reward part: avg@n. */
  readonly average: Readonly<Record<string, number>>;
  /** Mean length of a response in tokens, and the share that the limit cut off. */
  readonly meanTokens: number;
  readonly cutShare: number;
  /** Rows left out: unusable ones, and prompts over the limit. */
  readonly numSkipped: number;
  readonly numOverlong: number;
  /** `file:row: reason` of the first unusable rows. */
  readonly skipped: readonly string[];
}

export interface EvalPaths {
  readonly items: string;
  readonly settings: string;
  readonly summary: string;
}

/** Files in a folder, or beside a .jsonl file under its name. */
export function evalPaths(out: string): EvalPaths {
  const path = resolve(out);
  const stem = path.endsWith(".jsonl") ? path.slice(0, -".jsonl".length) : undefined;
  const at = (name: string, extension: string) =>
    stem === undefined ? join(path, `${name}.${extension}`) : `${stem}.${name}.${extension}`;
  const items = stem === undefined ? join(path, "items.jsonl") : path;
  return { items, settings: at("settings", "json"), summary: at("summary", "json") };
}

/** What every line has. */
export interface StoredItem {
  readonly id: string;
  readonly responses: readonly unknown[];
}

export class EvalFiles<Item extends StoredItem = EvalItem> implements AsyncDisposable {
  /** Ids of the items that the file held when it was opened. */
  readonly finished: ReadonlySet<string>;
  readonly #paths: EvalPaths;
  readonly #handle: FileHandle;
  readonly #lock: AsyncDisposable;

  private constructor(paths: EvalPaths, handle: FileHandle, held: { lock: AsyncDisposable; finished: Set<string> }) {
    this.#paths = paths;
    this.#handle = handle;
    this.#lock = held.lock;
    this.finished = held.finished;
  }

  /**
   * Throws as open does about other settings, and changes nothing: a check before the model is loaded.
   * @throws {ConfigError}
   */
  static async check(paths: EvalPaths, settings: Readonly<Record<string, unknown>>): Promise<void> {
    if (await holdsItems(paths)) await compareSettings(paths, settings);
  }

  /**
   * Opens the files for going on and holds them until disposed; a last line that a kill cut off is dropped.
   * @param settings plain JSON that every item depends on
   * @throws {ConfigError} when the items there have other settings, or another process writes them
   * @throws {CheckpointError} when the folder cannot be written
   */
  static async open<Item extends StoredItem = EvalItem>(
    paths: EvalPaths,
    settings: Readonly<Record<string, unknown>>,
  ): Promise<EvalFiles<Item>> {
    const dir = dirname(paths.items);
    await mkdir(dir, { recursive: true }).catch((error: unknown) => {
      const { code } = error as NodeJS.ErrnoException;
      const isFile = code === "EEXIST" || code === "ENOTDIR";
      throw isFile ? new ConfigError("--out", `expected a folder or a .jsonl file, got ${dir}`) : diskError(dir, error);
    });
    const lock = await lockRunFolder(dir, { file: `.${basename(paths.items)}.lock`, key: "--out" });
    try {
      if (await holdsItems(paths)) await compareSettings(paths, settings);
      else await writeFileAtomic(paths.settings, `${JSON.stringify(settings, null, 2)}\n`);
      const handle = await open(paths.items, "a+").catch((error: unknown) => {
        throw diskError(dir, error);
      });
      try {
        await dropUnfinishedLine(handle);
        return new EvalFiles<Item>(paths, handle, { lock, finished: await finishedIds(paths.items) });
      } catch (error) {
        await handle.close();
        throw error;
      }
    } catch (error) {
      await lock[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** @throws {CheckpointError} when the disk is full */
  async append(items: readonly Item[]): Promise<void> {
    try {
      await this.#handle.appendFile(items.map((item) => `${JSON.stringify(item)}\n`).join(""));
    } catch (error) {
      throw diskError(this.#paths.items, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
    await this.#lock[Symbol.asyncDispose]();
  }
}

/** Means over all items of the file; also written as the summary file. */
export async function summarize(
  paths: EvalPaths,
  facts: Pick<EvalSummary, "n" | "numSkipped" | "numOverlong" | "skipped">,
): Promise<EvalSummary> {
  const sums = new Map<string, number>();
  let [rows, numResponses, numTokens, numCut] = [0, 0, 0, 0];
  for await (const { responses } of readItems(paths.items)) {
    rows += 1;
    for (const response of responses) {
      numResponses += 1;
      numTokens += response.numTokens;
      numCut += response.finishReason === "length" ? 1 : 0;
      for (const [part, value] of Object.entries(response.reward)) sums.set(part, (sums.get(part) ?? 0) + value);
    }
  }
  const mean = (sum: number) => sum / Math.max(1, numResponses);
  const { n, ...left } = facts;
  const summary: EvalSummary = {
    file: paths.items,
    n,
    rows,
    average: Object.fromEntries([...sums].map(([part, sum]) => [part, mean(sum)])),
    meanTokens: mean(numTokens),
    cutShare: mean(numCut),
    ...left,
  };
  await writeFileAtomic(paths.summary, `${JSON.stringify(summary, null, 2)}\n`);
  return summary;
}

/** The items of a file in order. @throws {DataError} naming the line that is none */
export async function* readItems<Item extends StoredItem = EvalItem>(file: string): AsyncGenerator<Item> {
  let row = 0;
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    row += 1;
    yield parseItem(line, file, row) as Item;
  }
}

function parseItem(line: string, file: string, row: number): StoredItem {
  try {
    const item = JSON.parse(line) as Partial<StoredItem> | null;
    if (typeof item?.id === "string" && Array.isArray(item.responses)) return item as StoredItem;
  } catch {
    // Told below.
  }
  throw new DataError(file, row, "expected an item of an evaluation");
}

async function finishedIds(file: string): Promise<Set<string>> {
  const ids = new Set<string>();
  for await (const { id } of readItems<StoredItem>(file)) ids.add(id);
  return ids;
}

async function holdsItems(paths: EvalPaths): Promise<boolean> {
  return ((await stat(paths.items).catch(() => undefined))?.size ?? 0) > 0;
}

async function compareSettings(paths: EvalPaths, settings: Readonly<Record<string, unknown>>): Promise<void> {
  const wanted = JSON.parse(JSON.stringify(settings)) as Record<string, unknown>;
  if (!existsSync(paths.settings))
    throw new ConfigError("--out", `expected ${paths.settings} beside ${paths.items}; name another --out`);
  const found = await readSettings(paths.settings);
  const keys = [...new Set([...Object.keys(found), ...Object.keys(wanted)])];
  const key = keys.find((name) => !isDeepStrictEqual(found[name], wanted[name]));
  if (key === undefined) return;
  const [was, is] = [JSON.stringify(found[key]), JSON.stringify(wanted[key])];
  throw new ConfigError("--out", `${paths.items} has rows of other settings (${key} was ${was}, is ${is}); name another --out`); // prettier-ignore
}

async function readSettings(path: string): Promise<Record<string, unknown>> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
  } catch (error) {
    throw new ConfigError("--out", `${path}: expected the settings of an evaluation: ${(error as Error).message}`);
  }
}

async function dropUnfinishedLine(handle: FileHandle): Promise<void> {
  const { size } = await handle.stat();
  const buffer = Buffer.alloc(65_536);
  let end = size;
  while (end > 0) {
    const start = Math.max(0, end - buffer.length);
    const { bytesRead } = await handle.read(buffer, 0, end - start, start);
    const newline = buffer.subarray(0, bytesRead).lastIndexOf("\n");
    if (newline >= 0) {
      end = start + newline + 1;
      break;
    }
    end = start;
  }
  if (end < size) await handle.truncate(end);
}
