// What a user may name as a data set: a file, a folder or a hub id, each with `@split`.
import { stat } from "node:fs/promises";
import { extname } from "node:path";
import { DataError } from "../errors.ts";

export interface DatasetSpec {
  readonly kind: "file" | "folder" | "hub";
  /** The path or the hub id, without the split. */
  readonly path: string;
  /** `train` when none was asked for. */
  readonly split: string;
  /** The split was written out, so rows may be chosen by their `split` column. */
  readonly explicitSplit: boolean;
}

/**
 * Reads `path`, `path@split`, `org/name` or `org/name@split`. What exists on disk is a path, `@` in it included.
 * @throws {DataError} when it is neither on disk nor a possible hub id
 */
export async function parseDatasetSpec(spec: string): Promise<DatasetSpec> {
  const whole = { path: spec, split: "train", explicitSplit: false };
  const at = spec.lastIndexOf("@");
  const parts = at > 0 ? { path: spec.slice(0, at), split: spec.slice(at + 1), explicitSplit: true } : whole;
  for (const candidate of [whole, parts]) {
    const kind = await kindOnDisk(candidate.path);
    if (kind) return { kind, ...checkSplit(candidate, spec) };
  }
  if (/^[\w-][\w.-]*\/[\w-][\w.-]*$/.test(parts.path) && ![".parquet", ".jsonl", ".json"].includes(extname(parts.path)))
    return { kind: "hub", ...checkSplit(parts, spec) };
  throw new DataError(parts.path, undefined, "no such file or folder, and not a hub id (org/name)");
}

function checkSplit<T extends { readonly split: string }>(parts: T, spec: string): T {
  if (/^[\w.-]+$/.test(parts.split)) return parts;
  throw new DataError(spec, undefined, `expected a split name after @, got ${JSON.stringify(parts.split)}`);
}

async function kindOnDisk(path: string): Promise<"file" | "folder" | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile()) return "file";
  return found?.isDirectory() ? "folder" : undefined;
}
