// Where each row of a JSON file lies, found in one streaming pass without parsing: 16 bytes a row.
import type { FileHandle } from "node:fs/promises";
import { DataError } from "../errors.ts";
import { openFile } from "./open-file.ts";

/** A row longer than this is refused before it is read. Pictures as text in a row stay far below. */
export const maxRowBytes = 64 * 1024 * 1024;

const chunkBytes = 1024 * 1024;

/** Byte ranges and line numbers of rows, in growing typed arrays. */
export class RowIndex {
  length = 0;
  #starts = new Float64Array(1024);
  #lengths = new Uint32Array(1024);
  #numbers = new Uint32Array(1024);

  push(start: number, end: number, number: number): void {
    if (this.length === this.#starts.length) this.#grow();
    this.#starts[this.length] = start;
    this.#lengths[this.length] = Math.min(end - start, 0xffffffff);
    this.#numbers[this.length] = number;
    this.length += 1;
  }

  start = (index: number): number => this.#starts[index] ?? NaN;
  /** Bytes of the row; 2^32 - 1 for any longer one. */
  bytes = (index: number): number => this.#lengths[index] ?? NaN;
  /** 1-based line, or element of a JSON array. */
  number = (index: number): number => this.#numbers[index] ?? NaN;

  #grow(): void {
    const grown = <T extends Float64Array | Uint32Array>(from: T, to: T): T => (to.set(from), to);
    this.#starts = grown(this.#starts, new Float64Array(this.length * 2));
    this.#lengths = grown(this.#lengths, new Uint32Array(this.length * 2));
    this.#numbers = grown(this.#numbers, new Uint32Array(this.length * 2));
  }
}

/**
 * The rows of a JSONL file (one a line; LF or CRLF; blank lines left out; a last line without its line feed counts)
 * or, when a .json file opens with `[`, of a JSON array.
 * @throws {DataError} when the file cannot be read, is UTF-16 or its array is broken
 */
export async function indexJsonRows(path: string): Promise<RowIndex> {
  const file = await openFile(path).catch((error: unknown) => {
    throw new DataError(path, undefined, `cannot be opened: ${(error as Error).message}`, { cause: error });
  });
  try {
    const head = (await file.read(Buffer.alloc(4096), 0, 4096, 0)).buffer;
    if (head.readUInt16BE(0) === 0xfffe || head.readUInt16BE(0) === 0xfeff)
      throw new DataError(path, undefined, "expected UTF-8, got UTF-16: save it as UTF-8");
    const textStart = head.readUIntBE(0, 3) === 0xefbbbf ? 3 : 0;
    const isArray = path.endsWith(".json") && /^\s*\[/.test(head.toString("latin1", textStart));
    return await (isArray ? indexArray(file, textStart, path) : indexLines(file, textStart));
  } finally {
    await file.close();
  }
}

async function* chunks(file: FileHandle, from: number): AsyncGenerator<{ chunk: Buffer; offset: number }> {
  const buffer = Buffer.allocUnsafe(chunkBytes);
  for (let offset = from; ;) {
    const { bytesRead } = await file.read(buffer, 0, chunkBytes, offset);
    if (bytesRead === 0) return;
    yield { chunk: buffer.subarray(0, bytesRead), offset };
    offset += bytesRead;
  }
}

async function indexLines(file: FileHandle, textStart: number): Promise<RowIndex> {
  const index = new RowIndex();
  let line = 1;
  let lineStart = textStart;
  let blank = true;
  let end = textStart;
  for await (const { chunk, offset } of chunks(file, textStart)) {
    let from = 0;
    for (let feed = chunk.indexOf(10); feed >= 0; feed = chunk.indexOf(10, from)) {
      if (!(blank && isBlank(chunk, from, feed))) index.push(lineStart, offset + feed, line);
      from = feed + 1;
      lineStart = offset + from;
      line += 1;
      blank = true;
    }
    blank &&= isBlank(chunk, from, chunk.length);
    end = offset + chunk.length;
  }
  if (!blank) index.push(lineStart, end, line);
  return index;
}

async function indexArray(file: FileHandle, textStart: number, path: string): Promise<RowIndex> {
  const scanner = new ArrayScanner(path);
  for await (const { chunk, offset } of chunks(file, textStart))
    for (let at = 0; at < chunk.length; at += 1) scanner.take(chunk[at] ?? 0, offset + at);
  return scanner.finish();
}

/** Finds the elements of a top-level array byte by byte; brackets are counted, not matched: the parser does that. */
class ArrayScanner {
  readonly #index = new RowIndex();
  readonly #path: string;
  #place: "before" | "inside" | "after" = "before";
  #depth = 0;
  #inString = false;
  #escaped = false;
  #afterComma = false;
  #start = -1;
  #end = -1;

  constructor(path: string) {
    this.#path = path;
  }

  take(byte: number, at: number): void {
    if (this.#inString) this.#takeInString(byte);
    else if (isSpace(byte)) return;
    else if (this.#place === "before") this.#place = "inside";
    else if (this.#place === "after") throw this.#broken("text after the array");
    else if (this.#depth === 0 && byte === 0x2c) this.#endElement(true);
    else if (this.#depth === 0 && byte === 0x5d) this.#close();
    else this.#takeContent(byte, at);
  }

  finish(): RowIndex {
    if (this.#place !== "after") throw this.#broken("the file ends inside the array");
    return this.#index;
  }

  #takeInString(byte: number): void {
    if (this.#escaped) this.#escaped = false;
    else if (byte === 0x5c) this.#escaped = true;
    else if (byte === 0x22) this.#inString = false;
    this.#end += 1;
  }

  #takeContent(byte: number, at: number): void {
    if (this.#start < 0) this.#start = at;
    this.#end = at + 1;
    if (byte === 0x22) this.#inString = true;
    else if (byte === 0x5b || byte === 0x7b) this.#depth += 1;
    else if (byte === 0x5d || byte === 0x7d) this.#depth -= 1;
  }

  #endElement(comma: boolean): void {
    if (this.#start < 0) throw this.#broken("expected a row, got a comma or the end of the array");
    this.#index.push(this.#start, this.#end, this.#index.length + 1);
    this.#start = -1;
    this.#afterComma = comma;
  }

  #close(): void {
    if (this.#start >= 0 || this.#afterComma) this.#endElement(false);
    this.#place = "after";
  }

  #broken(text: string): DataError {
    return new DataError(this.#path, this.#index.length + 1, `not a JSON array of rows: ${text}`);
  }
}

const isSpace = (byte: number) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

function isBlank(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) if (!isSpace(bytes[at] ?? 0)) return false;
  return true;
}
