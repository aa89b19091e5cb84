// Opens data sets: parquet or JSONL files, folders of shards, hub repositories. Rows are read by index and never all
// held; what a column means is example.ts, how a file is read jsonl-file.ts and parquet-file.ts.
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, extname, join, relative, resolve, sep } from "node:path";
import { DataError } from "../errors.ts";
import type { Example } from "../types.ts";
import { ByteCache } from "./byte-cache.ts";
import { parseDatasetSpec } from "./dataset-spec.ts";
import type { DatasetSpec } from "./dataset-spec.ts";
import { toExample } from "./example.ts";
import type { ColumnKeys } from "./example.ts";
import { downloadDataset } from "./hub.ts";
import type { HubOptions } from "./hub.ts";
import { ImageFolder } from "./image-folder.ts";
import { JsonlFile } from "./jsonl-file.ts";
import { ParquetFile } from "./parquet-file.ts";
import type { DecodedGroup } from "./parquet-file.ts";
import type { RowFile } from "./row-file.ts";
import { flattenConversation, type Layout } from "./sharegpt.ts";
import { canonicalSplit, missingShards, selectShards, splitInName } from "./shards.ts";
import { SkipCounter } from "./skips.ts";

export interface DatasetOptions extends Partial<ColumnKeys> {
  /** Default `columns`. */
  readonly layout?: Layout;
  /** Where relative picture paths start; default: the folder of the data file. */
  readonly imageDir?: string;
  /** Share of unusable rows, in [0, 1], above which an error ends the reading; default 0.05. */
  readonly maxSkippedShare?: number;
  /** Decoded parquet row groups that are kept, in bytes; default 512 MiB. The latest one is kept whatever its size. */
  readonly cacheBytes?: number;
  /** How hub repositories are fetched. */
  readonly hub?: HubOptions;
}

/** Rows by index. Reads may run at the same time. */
export interface Dataset {
  /** As the user named it. */
  readonly name: string;
  /** Rows, at least 1; unusable ones count until `selectRows` has left them out. */
  readonly length: number;
  /** Shared by everything that leaves out rows of this data set. */
  readonly skips: SkipCounter;
  /**
   * Row `index`, from 0.
   * @throws {DataError} when the row is unusable: the caller skips and counts it
   */
  read(index: number): Promise<Example>;
}

const defaultKeys: ColumnKeys = {
  promptKey: "problem",
  answerKey: "answer",
  imageKey: "images",
  videoKey: "videos",
  idKey: "id",
  responseKey: undefined,
};

/**
 * Opens a data set without reading its rows (JSONL files are scanned once for their lines).
 *
 * `spec` is a .parquet, .jsonl or .json file (an array of rows or one row a line), a folder, or a hub id `org/name`,
 * each with an optional `@split`. In folders and repositories the split is found by file name (shards.ts), `train` when
 * none is asked for. Where file names carry no split, `@split` keeps the rows whose `split` column says so, and
 * without `@split` all rows are taken.
 * @throws {DataError} when there is nothing to read, a file is broken or the split has no rows
 */
export async function openDataset(spec: string, options: DatasetOptions = {}): Promise<Dataset> {
  const parsed = await parseDatasetSpec(spec);
  const { folder, shards, byColumn, linkTargets } = await findShards(parsed, options.hub);
  const files: RowFile[] = [];
  const cache = new ByteCache<DecodedGroup>(options.cacheBytes ?? 512 * 1024 * 1024);
  for (const shard of shards) files.push(await openRowFile(join(folder, shard), cache));
  const rows = byColumn ? await rowsOfSplit(files, parsed) : undefined;
  const dataset = new ShardedDataset(spec, folder, files, { rows, options, linkTargets });
  if (dataset.length === 0) throw new DataError(parsed.path, undefined, "the data set has no rows");
  return dataset;
}

interface FoundShards {
  readonly folder: string;
  /** Where picture links may lead: the blobs of a hub cache. */
  readonly linkTargets: readonly string[];
  /** Relative to folder. */
  readonly shards: readonly string[];
  readonly byColumn: boolean;
}

async function findShards(spec: DatasetSpec, hub: HubOptions | undefined): Promise<FoundShards> {
  if (spec.kind === "hub") {
    const { folder, blobs } = await downloadDataset(spec.path, spec.split, hub);
    const found = await findShards({ ...spec, kind: "folder", path: folder }, hub);
    return { ...found, linkTargets: [blobs] };
  }
  const path = resolve(spec.path);
  const linkTargets: readonly string[] = [];
  if (spec.kind === "file") {
    const wanted = canonicalSplit(spec.split);
    const named = splitInName(basename(path), wanted) === wanted;
    return { folder: dirname(path), linkTargets, shards: [basename(path)], byColumn: spec.explicitSplit && !named };
  }
  const { files, named, splits } = selectShards(await listFiles(path), spec.split);
  const missing = missingShards(files);
  if (missing.length > 0)
    throw new DataError(spec.path, undefined, `shards are missing: ${missing.slice(0, 5).join(", ")}`);
  if (files.length > 0) return { folder: path, linkTargets, shards: files, byColumn: spec.explicitSplit && !named };
  const found = splits.length > 0 ? `only the splits ${splits.join(", ")}` : "no .parquet, .jsonl or .json file";
  throw new DataError(spec.path, undefined, `expected files of the split ${spec.split}, got ${found}`);
}

/** Files of a folder, its folders and theirs, links to files among them; relative and with `/`. */
async function listFiles(folder: string): Promise<string[]> {
  const files: string[] = [];
  const visit = async (inside: string, depth: number): Promise<void> => {
    for (const entry of await readdir(inside, { withFileTypes: true })) {
      const path = join(inside, entry.name);
      if (entry.isDirectory() && depth > 0) await visit(path, depth - 1);
      else if (entry.isFile() || (entry.isSymbolicLink() && (await mayBeFile(path))))
        files.push(relative(folder, path).split(sep).join("/"));
    }
  };
  await visit(folder, 2);
  return files;
}

/** A link that leads nowhere counts: opening it says so. */
const mayBeFile = async (path: string) => (await stat(path).catch(() => undefined))?.isFile() !== false;

async function openRowFile(path: string, cache: ByteCache<DecodedGroup>): Promise<RowFile> {
  const extension = extname(path);
  if (extension === ".parquet") return await ParquetFile.open(path, cache);
  if (extension === ".jsonl" || extension === ".json") return await JsonlFile.open(path);
  throw new DataError(path, undefined, `expected a .parquet, .jsonl or .json file, got ${extension || "no extension"}`);
}

/** Rows, over all files, whose `split` column names the split; undefined when there is no such column and it is train. */
async function rowsOfSplit(files: readonly RowFile[], spec: DatasetSpec): Promise<Uint32Array | undefined> {
  const rows = new Uint32Array(files.reduce((sum, file) => sum + file.length, 0));
  const seen = new Set<string>();
  let row = 0;
  let kept = 0;
  for (const file of files)
    for await (const value of file.column("split")) {
      if (typeof value === "string") {
        if (seen.size < 20) seen.add(value);
        if (canonicalSplit(value) === canonicalSplit(spec.split)) rows[kept++] = row;
      }
      row += 1;
    }
  if (kept > 0) return rows.slice(0, kept);
  if (seen.size === 0 && spec.split === "train") return undefined;
  const found = seen.size > 0 ? `only ${[...seen].join(", ")}` : "neither file names nor a split column that say it";
  throw new DataError(spec.path, undefined, `expected rows of the split ${spec.split}, got ${found}`);
}

class ShardedDataset implements Dataset {
  readonly name: string;
  readonly length: number;
  readonly skips: SkipCounter;
  readonly #files: readonly RowFile[];
  /** First row of each file over all files, and at the end the number of rows. */
  readonly #starts: readonly number[];
  readonly #rows: Uint32Array | undefined;
  readonly #folder: string;
  readonly #keys: ColumnKeys;
  readonly #layout: Layout;
  readonly #imageFolders: readonly ImageFolder[];

  constructor(
    name: string,
    folder: string,
    files: readonly RowFile[],
    how: { rows: Uint32Array | undefined; options: DatasetOptions; linkTargets: readonly string[] },
  ) {
    const { imageDir, maxSkippedShare } = how.options;
    this.name = name;
    this.skips = new SkipCounter(name, maxSkippedShare ?? 0.05);
    this.#files = files;
    this.#starts = files.reduce((starts, file) => [...starts, (starts.at(-1) ?? 0) + file.length], [0]);
    this.#rows = how.rows;
    this.length = how.rows?.length ?? this.#starts.at(-1) ?? 0;
    this.#folder = folder;
    this.#keys = { ...defaultKeys, ...how.options };
    this.#layout = how.options.layout ?? "columns";
    this.#imageFolders = files.map((file) => new ImageFolder(imageDir ?? dirname(file.path), how.linkTargets));
  }

  async read(index: number): Promise<Example> {
    if (!Number.isInteger(index) || index < 0 || index >= this.length)
      throw new RangeError(`[Dataset.read] index: expected an integer from 0 to ${this.length - 1}, got ${index}`);
    const at = this.#rows?.[index] ?? index;
    const fileIndex = this.#starts.findLastIndex((start) => start <= at);
    const file = this.#files[fileIndex];
    const images = this.#imageFolders[fileIndex];
    if (!file || !images) throw new RangeError(`[Dataset.read] no file holds row ${at}`);
    const inFile = at - (this.#starts[fileIndex] ?? 0);
    const number = file.rowNumber(inFile);
    const defaultId = `${relative(this.#folder, file.path).split(sep).join("/")}:${number}`;
    const place = { file: file.path, row: number, defaultId };
    const row = await file.read(inFile);
    const columns = this.#layout === "sharegpt" ? flattenConversation(row, place, this.#keys) : row;
    return toExample(columns, place, this.#keys, images);
  }
}
