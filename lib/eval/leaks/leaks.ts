// Pictures that training and evaluation data share. Only equal pixels are found: a picture that was resized, cropped or
// compressed with loss is another one here.
import type { Dataset } from "../../data/dataset.ts";
import { DataError } from "../../errors.ts";
import type { Example } from "../../types.ts";
import { pictureHashes } from "./picture-hashes.ts";

/** Rows to look at under the name that the report gives them. */
export interface NamedRows {
  readonly name: string;
  readonly dataset: Dataset;
}

export interface SharedPicture {
  /** The evaluation row. */
  readonly id: string;
  /** 0-based place of the picture in the row. */
  readonly picture: number;
  /** The first training row with it, and the training data's name. */
  readonly trainId: string;
  readonly train: string;
  /** file: equal bytes; pixels: another encoding of the same pixels. */
  readonly by: "file" | "pixels";
}

export interface LeakReport {
  readonly name: string;
  readonly numRows: number;
  readonly numPictures: number;
  /** Pictures that cannot be read, here and in the training data. */
  readonly numUnreadable: number;
  /** Rows with a shared picture. */
  readonly numSharedRows: number;
  readonly shared: readonly SharedPicture[];
}

export interface LeakOptions {
  readonly signal?: AbortSignal | undefined;
  /** Rows read, of all. */
  readonly onProgress?: (done: number, total: number) => void;
}

interface Place {
  readonly id: string;
  readonly train: string;
}

/** One report for each evaluation set. Holds two hashes for each different training picture, no picture. */
export async function findLeaks(
  train: readonly NamedRows[],
  evaluation: readonly NamedRows[],
  options: LeakOptions = {},
): Promise<LeakReport[]> {
  const total = [...train, ...evaluation].reduce((sum, { dataset }) => sum + dataset.length, 0);
  let numDone = 0;
  const onRow = () => options.onProgress?.(++numDone, total);
  const known = { file: new Map<string, Place>(), pixels: new Map<string, Place>() };
  let numUnreadableTrain = 0;
  for (const { name, dataset } of train) {
    for await (const { example, hashes } of hashedRows(dataset, options.signal)) {
      for (const hash of hashes) {
        if (hash === undefined) numUnreadableTrain += 1;
        else
          for (const by of ["file", "pixels"] as const) addOnce(known[by], hash[by], { id: example.id, train: name });
      }
      onRow();
    }
  }
  const reports: LeakReport[] = [];
  for (const { name, dataset } of evaluation) {
    const shared: SharedPicture[] = [];
    let [numPictures, numUnreadable] = [0, numUnreadableTrain];
    for await (const { example, hashes } of hashedRows(dataset, options.signal)) {
      numPictures += hashes.length;
      for (const [picture, hash] of hashes.entries()) {
        if (hash === undefined) {
          numUnreadable += 1;
          continue;
        }
        const by = known.file.has(hash.file) ? "file" : "pixels";
        const place = known[by].get(hash[by]);
        if (place) shared.push({ id: example.id, picture, trainId: place.id, train: place.train, by });
      }
      onRow();
    }
    const numSharedRows = new Set(shared.map(({ id }) => id)).size;
    reports.push({ name, numRows: dataset.length, numPictures, numUnreadable, numSharedRows, shared });
  }
  return reports;
}

function addOnce(places: Map<string, Place>, hash: string, place: Place): void {
  if (!places.has(hash)) places.set(hash, place);
}

type Hashes = Awaited<ReturnType<typeof pictureHashes>>;

/** A few rows at a time: decoding runs on sharp's threads. Rows that cannot be read at all have no pictures. */
async function* hashedRows(
  dataset: Dataset,
  signal: AbortSignal | undefined,
): AsyncGenerator<{ example: Pick<Example, "id">; hashes: readonly (Hashes | undefined)[] }> {
  const atOnce = 8;
  for (let first = 0; first < dataset.length; first += atOnce) {
    signal?.throwIfAborted();
    const indices = Array.from({ length: Math.min(atOnce, dataset.length - first) }, (_, step) => first + step);
    yield* await Promise.all(indices.map((index) => hashRow(dataset, index)));
  }
}

async function hashRow(dataset: Dataset, index: number) {
  const example = await orUndefined(dataset.read(index));
  if (example === undefined) return { example: { id: `${dataset.name}:${index + 1}` }, hashes: [undefined] };
  return { example, hashes: await Promise.all(example.images.map((source) => orUndefined(pictureHashes(source, example)))) }; // prettier-ignore
}

async function orUndefined<T>(value: Promise<T>): Promise<T | undefined> {
  return await value.catch((error: unknown) => {
    if (error instanceof DataError) return undefined;
    throw error;
  });
}
