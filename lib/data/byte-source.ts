// Pieces of an encoded picture by offset, from memory or from a file, so that a header costs one small read.
import type { FileHandle } from "node:fs/promises";
import { openFile } from "./open-file.ts";

const pageBytes = 4096;

export interface ByteSource {
  readonly size: number;
  /** Exactly `length` bytes. @throws {RangeError} when the picture ends before */
  read(offset: number, length: number): Promise<DataView>;
}

export function memorySource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    read: (offset, length) => {
      if (!(offset >= 0 && offset + length <= bytes.length)) return Promise.reject(truncated(offset + length));
      return Promise.resolve(new DataView(bytes.buffer, bytes.byteOffset + offset, length));
    },
  };
}

/** Runs `use` over a file that is read in pieces of 4 KB and closed afterwards. */
export async function withFileSource<T>(path: string, use: (source: ByteSource) => Promise<T>): Promise<T> {
  const file = await openFile(path);
  try {
    const { size } = await file.stat();
    return await use(new FileSource(file, size));
  } finally {
    await file.close();
  }
}

class FileSource implements ByteSource {
  readonly size: number;
  readonly #file: FileHandle;
  #page = { offset: 0, bytes: new Uint8Array(0) };

  constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.size = size;
  }

  async read(offset: number, length: number): Promise<DataView> {
    if (!(offset >= 0 && offset + length <= this.size)) throw truncated(offset + length);
    const from = offset - this.#page.offset;
    if (from < 0 || from + length > this.#page.bytes.length) {
      const bytes = new Uint8Array(Math.max(length, pageBytes));
      const { bytesRead } = await this.#file.read(bytes, 0, bytes.length, offset);
      if (bytesRead < length) throw truncated(offset + length);
      this.#page = { offset, bytes: bytes.subarray(0, bytesRead) };
      return new DataView(bytes.buffer, 0, length);
    }
    return new DataView(this.#page.bytes.buffer, from, length);
  }
}

const truncated = (end: number) => new RangeError(`the picture ends before its byte ${end}`);
