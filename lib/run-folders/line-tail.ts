// The lines of a file that another process appends to, as they become whole.
import type { FileHandle } from "node:fs/promises";
import { isAbsent, openInside, RefusedFileError } from "./folder-files.ts";

export type TailState = "whole" | "absent";

export interface TailReader {
  /** One whole line without its end. */
  line(text: string): void;
  /** What was read is not so any more: the file is another one, or was cut. */
  restart(): void;
  /** Bytes read so far, and those that there are. */
  progress?(done: number, total: number): void;
}

const chunkBytes = 2 ** 20;
/** Longer lines are passed over. */
const maxLineBytes = 8 * 2 ** 20;
/** Of the text before the place where reading goes on: a file that was replaced has other text there. */
const markBytes = 256;
const newline = 10;

export class LineTail {
  readonly #folder: string;
  readonly #name: string;
  readonly #reader: TailReader;
  #offset = 0;
  #mark = Buffer.alloc(0);
  /** Within a line that is too long. */
  #passing = false;

  constructor(folder: string, name: string, reader: TailReader) {
    this.#folder = folder;
    this.#name = name;
    this.#reader = reader;
  }

  /** Reads what is new. A last line without its end is left for the next time. */
  async poll(): Promise<TailState> {
    let handle: FileHandle;
    try {
      handle = await openInside(this.#folder, this.#name);
    } catch (error) {
      if (!isAbsent(error) && !(error instanceof RefusedFileError)) throw error;
      if (this.#offset > 0) this.#restart();
      return "absent";
    }
    try {
      const { size } = await handle.stat();
      if (!(await this.#goesOn(handle, size))) this.#restart();
      await this.#read(handle, size);
      return "whole";
    } finally {
      await handle.close();
    }
  }

  async #goesOn(handle: FileHandle, size: number): Promise<boolean> {
    if (size < this.#offset) return false;
    const { length } = this.#mark;
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, this.#offset - length);
    return bytesRead === length && buffer.equals(this.#mark);
  }

  #restart(): void {
    this.#offset = 0;
    this.#mark = Buffer.alloc(0);
    this.#passing = false;
    this.#reader.restart();
  }

  async #read(handle: FileHandle, size: number): Promise<void> {
    let carried = Buffer.alloc(0);
    let position = this.#offset;
    while (position < size) {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(chunkBytes), 0, chunkBytes, position);
      if (bytesRead === 0) break;
      position += bytesRead;
      const bytes = Buffer.concat([carried, buffer.subarray(0, bytesRead)]);
      const end = bytes.lastIndexOf(newline) + 1;
      if (end > 0) this.#take(bytes.subarray(0, end));
      carried = bytes.subarray(end);
      if (carried.length > maxLineBytes) {
        this.#passing = true;
        this.#offset += carried.length;
        carried = Buffer.alloc(0);
      }
      this.#reader.progress?.(this.#offset, size);
    }
  }

  /** @param bytes whole lines */
  #take(bytes: Buffer): void {
    let start = 0;
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, start)) {
      if (!this.#passing && end > start) this.#reader.line(bytes.toString("utf8", start, end));
      this.#passing = false;
      start = end + 1;
    }
    this.#offset += bytes.length;
    this.#mark = Buffer.from(bytes.subarray(-markBytes));
  }
}
