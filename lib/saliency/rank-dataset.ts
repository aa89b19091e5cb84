// The pictures of a data set, each ranked once, into a file beside it.
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Dataset } from "../data/dataset.ts";
import { parseDatasetSpec } from "../data/dataset-spec.ts";
import { hubSettings } from "../data/hub-settings.ts";
import { encodedBytes } from "../data/image.ts";
import { ConfigError, DataError } from "../errors.ts";
import type { DeviceName, SaliencyRanking } from "../native/binding.ts";
import { loadNative } from "../native/load.ts";
import { openImage } from "../processor/open-image.ts";
import type { PictureRankings } from "../processor/processor.ts";
import { lockRunFolder } from "../trainer/run-lock.ts";
import type { Example, ImageSource } from "../types.ts";
import { RankingFile } from "./ranking-file.ts";
import { SaliencyModel, sourceFingerprint, type SaliencySource } from "./saliency-model.ts";

export interface RankOptions {
  readonly device: DeviceName;
  /** The file; null: `<data>.<fingerprint>.saliency` beside the data set's file, in its folder or in the hub's cache. */
  readonly path: string | null;
  /** The setting that `path` comes from, for messages. */
  readonly pathKey: string;
  readonly say: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
  /** Rows looked at, of all. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** What the rankings of a data set are made of. */
export interface RankedDataset {
  readonly file: RankingFile;
  /** Pictures ranked now, not before. */
  readonly numNew: number;
  /** Pictures and rows that cannot be read, by whoever reads them. */
  readonly numUnreadable: number;
}

/** Pictures decoded at a time. */
const atOnce = 8;

/**
 * Ranks what the file does not have yet; the model is loaded when there is something. Whatever ends it, what was
 * ranked stays ranked. The caller closes the file.
 * @throws {CheckpointError} for a file of another source, a model that cannot be read, or a full disk
 * @throws {ConfigError} when there is no such folder, or another process is writing the file
 */
export async function rankDataset(
  dataset: Dataset,
  source: SaliencySource,
  options: RankOptions,
): Promise<RankedDataset> {
  const fingerprint = await sourceFingerprint(source);
  const path = options.path ?? (await defaultPath(dataset.name, fingerprint));
  await checkFolder(dirname(path), options.pathKey);
  const lock = await lockRunFolder(dirname(path), { file: `.${basename(path)}.lock`, key: options.pathKey });
  try {
    const file = await RankingFile.open(path, { fingerprint, model: source.dir, layers: source.layers });
    return await rankInto(file, dataset, new Ranker(file, source, options));
  } finally {
    await lock[Symbol.asyncDispose]();
  }
}

async function checkFolder(folder: string, key: string): Promise<void> {
  const info = await stat(folder).catch(() => undefined);
  if (!info?.isDirectory()) throw new ConfigError(key, `there is no folder ${folder}`);
}

async function rankInto(file: RankingFile, dataset: Dataset, ranker: Ranker): Promise<RankedDataset> {
  try {
    const counts = await ranker.run(dataset);
    await file.sync();
    return { file, ...counts };
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw error;
  }
}

async function defaultPath(spec: string, fingerprint: string): Promise<string> {
  const { kind, path, split } = await parseDatasetSpec(spec);
  const end = `${fingerprint}.saliency`;
  if (kind === "file") return `${path}.${end}`;
  if (kind === "folder") return join(path, `${split}.${end}`);
  return join((await hubSettings()).cacheDir, `datasets--${path.replace("/", "--")}`, `${split}.${end}`);
}

class Ranker {
  readonly #file: RankingFile;
  readonly #source: SaliencySource;
  readonly #options: RankOptions;
  #numUnreadable = 0;
  #numNew = 0;

  constructor(file: RankingFile, source: SaliencySource, options: RankOptions) {
    this.#file = file;
    this.#source = source;
    this.#options = options;
  }

  async run(dataset: Dataset): Promise<Pick<RankedDataset, "numNew" | "numUnreadable">> {
    const { device, signal, onProgress, say } = this.#options;
    const { path, numCutBytes } = this.#file;
    if (numCutBytes > 0) say(`${path}: ${numCutBytes} bytes are no whole records and are made again`);
    let model: SaliencyModel | undefined;
    try {
      for (let first = 0; first < dataset.length; first += atOnce) {
        signal?.throwIfAborted();
        const rows = Array.from({ length: Math.min(atOnce, dataset.length - first) }, (_, step) => first + step);
        const missing = await this.#missing(dataset, rows);
        if (missing.size > 0) {
          model ??= await SaliencyModel.open(this.#source, device, { signal });
          await this.#rank(model, missing);
        }
        onProgress?.(first + rows.length, dataset.length);
      }
    } finally {
      model?.[Symbol.dispose]();
    }
    return { numNew: this.#numNew, numUnreadable: this.#numUnreadable };
  }

  /** Different pictures of the rows that the file does not have, by key. */
  async #missing(dataset: Dataset, rows: readonly number[]): Promise<Map<string, Picture>> {
    const examples = await Promise.all(rows.map((row) => this.#orCount(dataset.read(row))));
    const pictures = examples.flatMap((example) => example?.images.map((source) => ({ source, example })) ?? []);
    const keys = await Promise.all(pictures.map(({ source, example }) => this.#orCount(pictureKey(source, example))));
    const missing = new Map<string, Picture>();
    for (const [index, key] of keys.entries()) {
      const picture = pictures[index];
      if (key !== undefined && picture && !this.#file.has(key)) missing.set(key, picture);
    }
    return missing;
  }

  async #rank(model: SaliencyModel, missing: ReadonlyMap<string, Picture>): Promise<void> {
    const opened = [...missing].map(([key, { source, example }]) => ({
      key,
      image: this.#orCount(openImage(source, example, this.#source)),
    }));
    // All of them settle whatever one of them does, so that each is freed.
    const images = await Promise.allSettled(opened.map(({ image }) => image));
    try {
      for (const { key, image } of opened) {
        const handle = await image;
        if (handle === undefined) continue;
        await this.#file.append(key, await model.rank(handle, { signal: this.#options.signal }));
        this.#numNew += 1;
      }
    } finally {
      for (const image of images) if (image.status === "fulfilled" && image.value) loadNative().dispose(image.value);
    }
  }

  /** Undefined for what is unreadable, which is counted. */
  async #orCount<T>(value: Promise<T>): Promise<T | undefined> {
    return await value.catch((error: unknown) => {
      if (!(error instanceof DataError)) throw error;
      this.#numUnreadable += 1;
      return undefined;
    });
  }
}

interface Picture {
  readonly source: ImageSource;
  readonly example: Example;
}

/** SHA-256 of a picture as it is stored. */
async function pictureKey(source: ImageSource, { file, row }: Pick<Example, "file" | "row">): Promise<string> {
  const bytes = await encodedBytes(source).catch((error: unknown) => {
    throw new DataError(file, row, `picture: ${(error as Error).message}`, { cause: error });
  });
  return createHash("sha256").update(bytes).digest("hex");
}

/** The rankings of a file for a processor. */
export function rankingsOf(file: RankingFile): PictureRankings {
  return {
    find: async (source, where): Promise<SaliencyRanking> => {
      const found = await file.find(await pictureKey(source, where));
      if (found) return found;
      throw new DataError(where.file, where.row, `${file.path} has no ranking of the picture: it has changed since`);
    },
  };
}
