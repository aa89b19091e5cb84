// Rankings of pictures on disk: a line of JSON that says what made them, then records, appended one a write:
// SHA-256 of the encoded picture (32 bytes), rows and columns (uint16), the order (uint16 each), CRC-32 of all that.
// Little-endian. A record that is not whole ends the file: a killed writer's is cut off and made again.
import { open, stat } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { CheckpointError } from "../errors.ts";
import type { SaliencyRanking } from "../native/binding.ts";
import { diskError, writeFileAtomic } from "../trainer/durable-file.ts";

/** What made the rankings; those of another source are refused. */
export interface RankingIdentity {
  readonly fingerprint: string;
  /** For people. */
  readonly model: string;
  readonly layers: readonly number[];
}

interface Place {
  readonly offset: number;
  readonly rows: number;
  readonly cols: number;
}

const format = "papo saliency";
const version = 1;
const maxHeaderBytes = 65_536;
const keyBytes = 32;
const headBytes = keyBytes + 4;
const crcBytes = 4;
const maxPatches = 65_536;
const readAheadBytes = 4 * 2 ** 20;

export class RankingFile implements AsyncDisposable {
  readonly path: string;
  /** Of a record that was not whole, or after one; they are cut off by the first append. */
  readonly numCutBytes: number;
  readonly #handle: FileHandle;
  readonly #places: Map<string, Place>;
  #end: number;

  private constructor(path: string, handle: FileHandle, scanned: Scanned, fileBytes: number) {
    this.path = path;
    this.#handle = handle;
    this.#places = scanned.places;
    this.#end = scanned.end;
    this.numCutBytes = fileBytes - scanned.end;
  }

  /**
   * Opens the file, or makes it; every record is read and checked. One process at a time may append.
   * @throws {CheckpointError} when it is no such file, of another version, or of another source
   */
  static async open(path: string, identity: RankingIdentity): Promise<RankingFile> {
    if (!(await exists(path))) await writeFileAtomic(path, `${JSON.stringify({ format, version, ...identity })}\n`);
    const handle = await open(path, "r+").catch((error: unknown) => {
      throw diskError(dirname(path), error);
    });
    try {
      const { size } = await handle.stat();
      const reader = new ReadAhead(handle, size);
      const start = checkHeader(path, await reader.bytes(0, Math.min(size, maxHeaderBytes)), identity);
      return new RankingFile(path, handle, await scan(reader, start, size), size);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Pictures. */
  get size(): number {
    return this.#places.size;
  }

  /** @param key SHA-256 of the encoded picture, in hexadecimal */
  has(key: string): boolean {
    return this.#places.has(key);
  }

  /** @throws {CheckpointError} when the disk does not take it; the file then ends where it did */
  async append(key: string, ranking: SaliencyRanking): Promise<void> {
    const record = encode(key, ranking);
    try {
      await this.#handle.truncate(this.#end);
      const { bytesWritten } = await this.#handle.write(record, 0, record.length, this.#end);
      if (bytesWritten !== record.length) throw new Error(`${this.path}: only ${bytesWritten} bytes were written`);
    } catch (error) {
      throw diskError(dirname(this.path), error);
    }
    this.#places.set(key, { offset: this.#end, rows: ranking.rows, cols: ranking.cols });
    this.#end += record.length;
  }

  /** @throws {CheckpointError} when the file has changed meanwhile */
  async find(key: string): Promise<SaliencyRanking | undefined> {
    const place = this.#places.get(key);
    if (!place) return undefined;
    const { offset, rows, cols } = place;
    const record = Buffer.alloc(recordBytes(rows, cols));
    await this.#handle.read(record, 0, record.length, offset);
    if (!isSound(record) || record.toString("hex", 0, keyBytes) !== key)
      throw new CheckpointError(this.path, `the record at byte ${offset} has changed since it was read first`);
    const bytes = record.subarray(headBytes, -crcBytes);
    return { rows, cols, order: Uint16Array.from({ length: rows * cols }, (_, i) => bytes.readUInt16LE(2 * i)) };
  }

  /** Forces all to the disk. */
  async sync(): Promise<void> {
    await this.#handle.sync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

async function exists(path: string): Promise<boolean> {
  const info = await stat(path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw diskError(dirname(path), error);
  });
  if (info && !info.isFile()) throw new CheckpointError(path, "expected a file");
  return info !== undefined;
}

/** Where the records begin. */
function checkHeader(path: string, bytes: Buffer, { fingerprint, model, layers }: RankingIdentity): number {
  const length = bytes.indexOf("\n");
  const header = parseHeader(length < 0 ? "" : bytes.toString("utf8", 0, length));
  if (header?.format !== format) throw new CheckpointError(path, "expected a file of papo saliency, got another");
  if (header.version !== version)
    throw new CheckpointError(path, `expected version ${version} of the file, got ${String(header.version)}`);
  if (header.fingerprint !== fingerprint) {
    const of = (what: Partial<RankingIdentity>) => `${String(what.model)}, layers ${String(what.layers)}`;
    const other = `stale: it is of ${of(header)} (${String(header.fingerprint)}), not of ${of({ model, layers })}`;
    throw new CheckpointError(path, `${other} (${fingerprint}) and the pictures' settings; remove it or name another`);
  }
  return length + 1;
}

type Header = Partial<RankingIdentity> & { readonly format?: unknown; readonly version?: unknown };

function parseHeader(text: string): Header | undefined {
  try {
    return JSON.parse(text) as Header;
  } catch {
    return undefined;
  }
}

interface Scanned {
  readonly places: Map<string, Place>;
  /** Behind the last whole record. */
  readonly end: number;
}

async function scan(reader: ReadAhead, start: number, fileBytes: number): Promise<Scanned> {
  const places = new Map<string, Place>();
  let end = start;
  while (end + headBytes <= fileBytes) {
    const head = await reader.bytes(end, headBytes);
    const [rows, cols] = [head.readUInt16LE(keyBytes), head.readUInt16LE(keyBytes + 2)];
    const numBytes = recordBytes(rows, cols);
    if (rows * cols < 1 || rows * cols > maxPatches || end + numBytes > fileBytes) break;
    const record = await reader.bytes(end, numBytes);
    if (!isSound(record)) break;
    places.set(record.toString("hex", 0, keyBytes), { offset: end, rows, cols });
    end += numBytes;
  }
  return { places, end };
}

/** Short reads of a file, front to back. */
class ReadAhead {
  readonly #handle: FileHandle;
  readonly #fileBytes: number;
  #from = 0;
  #window = Buffer.alloc(0);

  constructor(handle: FileHandle, fileBytes: number) {
    this.#handle = handle;
    this.#fileBytes = fileBytes;
  }

  /** Within the file; good until the next call. */
  async bytes(from: number, count: number): Promise<Buffer> {
    if (from < this.#from || from + count > this.#from + this.#window.length) {
      const window = Buffer.alloc(Math.min(Math.max(readAheadBytes, count), this.#fileBytes - from));
      const { bytesRead } = await this.#handle.read(window, 0, window.length, from);
      [this.#from, this.#window] = [from, window.subarray(0, bytesRead)];
    }
    return this.#window.subarray(from - this.#from, from - this.#from + count);
  }
}

const recordBytes = (rows: number, cols: number) => headBytes + 2 * rows * cols + crcBytes;

const isSound = (record: Buffer) =>
  record.length > headBytes + crcBytes &&
  crc32(record.subarray(0, -crcBytes)) === record.readUInt32LE(record.length - crcBytes);

function encode(key: string, { rows, cols, order }: SaliencyRanking): Buffer {
  if (order.length !== rows * cols || order.length > maxPatches)
    throw new RangeError(
      `[RankingFile] expected ${rows} x ${cols} patches, at most ${maxPatches}, got ${order.length}`,
    );
  const record = Buffer.alloc(recordBytes(rows, cols));
  record.write(key, "hex");
  record.writeUInt16LE(rows, keyBytes);
  record.writeUInt16LE(cols, keyBytes + 2);
  for (const [rank, patch] of order.entries()) record.writeUInt16LE(patch, headBytes + 2 * rank);
  record.writeUInt32LE(crc32(record.subarray(0, -crcBytes)), record.length - crcBytes);
  return record;
}
