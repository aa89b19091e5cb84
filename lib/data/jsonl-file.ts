// Random access to the rows of a JSONL file or a JSON array through its index.
import { DataError } from "../errors.ts";
import { jsonText, memberNumberText } from "./json-text.ts";
import { indexJsonRows, maxRowBytes } from "./jsonl-index.ts";
import type { RowIndex } from "./jsonl-index.ts";
import { openFile } from "./open-file.ts";
import type { Row, RowFile } from "./row-file.ts";

/** Reading ahead when rows are asked for in order keeps a whole pass at disk speed. */
const readAheadBytes = 256 * 1024;

/** A piece of the file, from byte `start`. */
interface Window {
  readonly start: number;
  readonly bytes: Buffer;
}

export class JsonlFile implements RowFile {
  readonly path: string;
  readonly #index: RowIndex;
  #ahead: Window = { start: 0, bytes: Buffer.alloc(0) };
  #nextIndex = 0;

  /** @throws {DataError} when the file cannot be read or is not UTF-8 text of rows */
  static async open(path: string): Promise<JsonlFile> {
    return new JsonlFile(path, await indexJsonRows(path));
  }

  private constructor(path: string, index: RowIndex) {
    this.path = path;
    this.#index = index;
  }

  get length(): number {
    return this.#index.length;
  }

  rowNumber(index: number): number {
    return this.#index.number(index);
  }

  async read(index: number): Promise<Row> {
    const text = await this.#text(index);
    const values = this.#try(index, () => JSON.parse(text) as unknown);
    if (typeof values !== "object" || values === null || Array.isArray(values))
      throw this.#error(index, `expected a JSON object, got ${text.slice(0, 40)}`);
    return {
      values: values as Record<string, unknown>,
      numberText: (key) => memberNumberText(text, key),
    };
  }

  async *column(name: string): AsyncGenerator {
    for (let index = 0; index < this.length; index += 1) {
      const row = await this.read(index).catch(rowError);
      yield row && Object.hasOwn(row.values, name) ? row.values[name] : undefined;
    }
  }

  async #text(index: number): Promise<string> {
    const bytes = await this.#bytes(index);
    return this.#try(index, () => jsonText(bytes));
  }

  async #bytes(index: number): Promise<Buffer> {
    const start = this.#index.start(index);
    const length = this.#index.bytes(index);
    if (length > maxRowBytes) throw this.#error(index, `the row is longer than ${maxRowBytes} bytes`);
    const inOrder = index === this.#nextIndex;
    this.#nextIndex = index + 1;
    const held = slice(this.#ahead, start, length);
    if (held) return held;
    const window = await this.#pread(start, Math.max(length, inOrder ? readAheadBytes : 0));
    if (inOrder) this.#ahead = window;
    const bytes = slice(window, start, length);
    if (!bytes) throw this.#error(index, "the file became shorter while it was in use");
    return bytes;
  }

  async #pread(start: number, length: number): Promise<Window> {
    const file = await openFile(this.path).catch((error: unknown) => {
      throw new DataError(this.path, undefined, `cannot be opened: ${(error as Error).message}`, { cause: error });
    });
    try {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, start);
      return { start, bytes: buffer.subarray(0, bytesRead) };
    } finally {
      await file.close();
    }
  }

  #try<T>(index: number, parse: () => T): T {
    try {
      return parse();
    } catch (error) {
      throw this.#error(index, `not valid JSON: ${(error as Error).message}`, { cause: error });
    }
  }

  #error(index: number, text: string, options?: ErrorOptions): DataError {
    return new DataError(this.path, this.rowNumber(index), text, options);
  }
}

function slice(window: Window, start: number, length: number): Buffer | undefined {
  const from = start - window.start;
  return from >= 0 && from + length <= window.bytes.length ? window.bytes.subarray(from, from + length) : undefined;
}

/** A broken row counts as a row without the column; anything else is a bug and goes on. */
function rowError(error: unknown): undefined {
  if (!(error instanceof DataError)) throw error;
}
