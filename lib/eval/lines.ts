// Lines of a file in one pass, in bounded memory whatever their length.
import { createReadStream } from "node:fs";
import { DataError } from "../errors.ts";

/** A line longer than this is told, not read. */
export const maxLineBytes = 4 * 1024 * 1024;

export interface Line {
  /** 1-based. */
  readonly number: number;
  /** Undefined when it is longer than maxLineBytes. */
  readonly text: string | undefined;
}

/**
 * The lines that are not blank.
 * @throws {DataError} when the file cannot be read
 */
export async function* readLines(file: string): AsyncGenerator<Line> {
  let parts: Buffer[] = [];
  let bytes = 0;
  let number = 1;
  const add = (part: Buffer) => {
    bytes += part.length;
    if (bytes <= maxLineBytes) parts.push(part);
    else parts = [];
  };
  const end = (): Line | undefined => {
    const text = bytes > maxLineBytes ? undefined : Buffer.concat(parts).toString("utf8");
    parts = [];
    bytes = 0;
    number += 1;
    return text?.trim() === "" ? undefined : { number: number - 1, text };
  };
  for await (const chunk of chunks(file)) {
    let start = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, start)) {
      add(chunk.subarray(start, at));
      start = at + 1;
      const line = end();
      if (line) yield line;
    }
    add(chunk.subarray(start));
  }
  const line = end();
  if (line) yield line;
}

async function* chunks(file: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of createReadStream(file)) yield chunk as Buffer;
  } catch (error) {
    throw new DataError(file, undefined, `cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
