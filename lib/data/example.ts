// One row of a data set file -> Example: what each column means and when a row is unusable.
import { isUtf8 } from "node:buffer";
import { inspect } from "node:util";
import { DataError } from "../errors.ts";
import type { Example, ImageSource } from "../types.ts";
import type { ImageFolder } from "./image-folder.ts";
import type { Row } from "./row-file.ts";

/** Which columns hold what. The defaults are those of the published recipes. */
export interface ColumnKeys {
  /** The question; default `problem`. */
  readonly promptKey: string;
  /** The ground truth; default `answer`. */
  readonly answerKey: string;
  /** Pictures: paths or {bytes, path}, one or a list; default `images`. */
  readonly imageKey: string;
  /** Videos, which are refused; default `videos`. */
  readonly videoKey: string;
  /** The row's own id; default `id`. */
  readonly idKey: string;
  /** Target text of supervised rows; with it a row needs no answer. Default: none. */
  readonly responseKey: string | undefined;
}

/** Where a row stands: the file as messages name it, the row in it, and the name that a row without id gets. */
export interface RowPlace {
  readonly file: string;
  readonly row: number;
  readonly defaultId: string;
}

/**
 * The example that a row holds. Pictures are checked for being there, not decoded; bytes are copied out of the row.
 * @throws {DataError} naming file and row when a column is missing or of a wrong type, the number of `<image>` marks is
 * not the number of pictures, a picture is not there, or the row has a video
 */
export async function toExample(row: Row, place: RowPlace, keys: ColumnKeys, folder: ImageFolder): Promise<Example> {
  const columns = new Columns(row, place);
  const problem = columns.needText(keys.promptKey);
  const response = keys.responseKey === undefined ? undefined : columns.needText(keys.responseKey);
  const answer = response === undefined ? columns.needText(keys.answerKey) : columns.text(keys.answerKey);
  if (!isEmpty(columns.value(keys.videoKey))) throw columns.error(keys.videoKey, "videos are not supported");
  const pictures = pictureList(columns.value(keys.imageKey));
  const numMarks = problem.split("<image>").length - 1;
  if (numMarks !== pictures.length)
    throw columns.error(keys.promptKey, `expected one <image> mark per picture, got ${numMarks} marks and ${pictures.length} pictures`); // prettier-ignore
  const images: ImageSource[] = [];
  for (const picture of pictures) images.push(await toImageSource(picture, columns, keys.imageKey, folder));
  return {
    id: columns.text(keys.idKey) || place.defaultId,
    problem,
    answer,
    ...(response === undefined ? {} : { response }),
    images,
    file: place.file,
    row: place.row,
    extra: columns.others([keys.promptKey, keys.answerKey, keys.imageKey, keys.videoKey, keys.idKey, keys.responseKey]), // prettier-ignore
  };
}

/** Typed access to a row's columns with errors that name file, row and column. */
class Columns {
  readonly #row: Row;
  readonly #place: RowPlace;

  constructor(row: Row, place: RowPlace) {
    this.#row = row;
    this.#place = place;
  }

  value(key: string): unknown {
    return Object.hasOwn(this.#row.values, key) ? this.#row.values[key] : undefined;
  }

  /** The column as text; "" when it is absent, null or empty. Numbers become text exactly as written. */
  text(key: string): string {
    const value = this.value(key);
    if (value === undefined || value === null) return "";
    if (typeof value === "number") return this.#row.numberText(key) ?? String(value);
    if (typeof value === "bigint" || typeof value === "boolean") return String(value);
    // Some parquet writers do not mark text as text.
    if (value instanceof Uint8Array && isUtf8(value)) return Buffer.from(value).toString("utf8");
    if (typeof value !== "string") throw this.error(key, `expected text or a number, got ${describe(value)}`);
    if (/\p{Surrogate}/u.test(value)) throw this.error(key, "half of a surrogate pair: not valid text");
    return value;
  }

  needText(key: string): string {
    const text = this.text(key);
    if (text.trim() !== "") return text;
    const names = Object.keys(this.#row.values).slice(0, 20).join(", ");
    throw this.error(key, `expected text, got none (the row has: ${names})`);
  }

  others(known: readonly (string | undefined)[]): Record<string, unknown> {
    const entries = Object.entries(this.#row.values).filter(([key]) => !known.includes(key));
    return Object.fromEntries(entries.map(([key, value]) => [key, toPlain(value)]));
  }

  error(key: string, text: string): DataError {
    return new DataError(this.#place.file, this.#place.row, `${key}: ${text}`);
  }

  imagePath(path: string, folder: ImageFolder): Promise<string> {
    return folder.resolve(path, this.#place.file, this.#place.row);
  }
}

function pictureList(value: unknown): readonly unknown[] {
  if (isEmpty(value)) return [];
  return Array.isArray(value) ? value : [value];
}

async function toImageSource(value: unknown, columns: Columns, key: string, folder: ImageFolder): Promise<ImageSource> {
  // A cell of a parquet image column holds the bytes, a path, or both; then the path is only the picture's old name.
  const { bytes, path } = isStruct(value) ? value : { bytes: value, path: value };
  if (bytes instanceof Uint8Array && bytes.length > 0) return { bytes: bytes.slice() };
  if (typeof path !== "string" || path === "")
    throw columns.error(key, `expected a path or {bytes, path}, got ${describe(value)}`);
  if (/^[a-z][a-z0-9+.-]+:/i.test(path))
    throw columns.error(key, `expected the path of a file, got the address ${path.slice(0, 80)}`);
  return { path: await columns.imagePath(path, folder) };
}

const isStruct = (value: unknown): value is { bytes?: unknown; path?: unknown } =>
  typeof value === "object" && value !== null && !(value instanceof Uint8Array) && !Array.isArray(value);

const isEmpty = (value: unknown) =>
  value === undefined || value === null || value === "" || (Array.isArray(value) && value.length === 0);

/** Values that JSON can write: 64-bit integers as numbers where exact, else as text; dates as ISO text. */
function toPlain(value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Uint8Array) return value.slice();
  if (Array.isArray(value)) return value.map(toPlain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, toPlain(member)]));
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  return value instanceof Uint8Array ? "bytes that are not UTF-8 text" : inspect(value, { depth: 0 }).slice(0, 60);
}
