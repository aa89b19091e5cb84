import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError } from "../errors.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/** True for what JSON writes as `{...}`. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The object in a JSON file of a checkpoint folder; undefined when the file is not there.
 * @param maxBytes larger files are refused unread
 * @throws {CheckpointError} when it is unreadable, too large or no JSON object
 */
export async function readJsonObject(dir: string, file: string, maxBytes: number): Promise<JsonObject | undefined> {
  const path = join(dir, file);
  const info = await stat(path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new CheckpointError(dir, `${file}: ${(error as Error).message}`, { cause: error });
  });
  if (info === undefined) return undefined;
  if (!info.isFile()) throw new CheckpointError(dir, `${file}: expected a file`);
  if (info.size > maxBytes) {
    throw new CheckpointError(dir, `${file}: expected at most ${maxBytes} bytes, got ${info.size}`);
  }
  try {
    const value: unknown = JSON.parse(await readFile(path, "utf8"));
    if (isJsonObject(value)) return value;
  } catch (error) {
    throw new CheckpointError(dir, `${file}: ${(error as Error).message}`, { cause: error });
  }
  throw new CheckpointError(dir, `${file}: expected a JSON object`);
}
