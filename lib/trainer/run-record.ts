// config.json of a run folder: all that a run needs to be understood and repeated, and what a resumed run may change.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../errors.ts";
import type { GitState } from "./system-info.ts";

export interface RunRecord {
  /** The command that makes such runs. */
  readonly command: "train" | "sft";
  /** The resolved run configuration. */
  readonly config: unknown;
  /** Of the folder that the run was started in; undefined outside a repository. */
  readonly git: GitState | undefined;
  /** Versions of papo, Node and the native build. */
  readonly build: Readonly<Record<string, string>>;
}

export const recordFile = "config.json";

/** Settings without which a run is another one. */
const fixedKeys = ["seed", "model.path"];
/** What does not shape the run: what is known about its settings, and where it is. */
const freeKeys = ["notes", "trainer.outDir"];

/**
 * The config.json of a run folder.
 * @throws {ConfigError} when the folder holds no run or the file is broken
 */
export async function readRunRecord(dir: string): Promise<RunRecord> {
  try {
    const value: unknown = JSON.parse(await readFile(join(dir, recordFile), "utf8"));
    if (typeof value !== "object" || value === null || !("config" in value)) throw new Error("expected {config, ...}");
    return value as RunRecord;
  } catch (error) {
    throw new ConfigError(join(dir, recordFile), `expected the record of a run: ${(error as Error).message}`);
  }
}

/**
 * `key: old -> new` of every setting that a resumed run changes.
 * @throws {ConfigError} when it would be another run
 */
export function changedSettings(before: RunRecord, now: RunRecord): string[] {
  if (before.command !== now.command)
    throw new ConfigError("trainer.outDir", `expected a run of papo ${now.command}, got one of papo ${before.command}`);
  // JSON has no undefined, and none of what it cannot hold is in the file.
  const changes = differences(before.config, JSON.parse(JSON.stringify(now.config)), "");
  for (const { key, was, is } of changes) {
    if (!fixedKeys.includes(key)) continue;
    throw new ConfigError(key, `expected ${was}, which the run was started with, got ${is}; name another --out`);
  }
  return changes.map(({ key, was, is }) => `${key}: ${was} -> ${is}`);
}

export interface Change {
  readonly key: string;
  /** As JSON. */
  readonly was: string;
  readonly is: string;
}

/** Lists are one value. */
export function differences(before: unknown, now: unknown, key: string): Change[] {
  if (freeKeys.includes(key)) return [];
  if (isMap(before) && isMap(now)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(now)])];
    return names.flatMap((name) => differences(before[name], now[name], key === "" ? name : `${key}.${name}`));
  }
  const [was = "nothing", is = "nothing"] = [before, now].map((value) => JSON.stringify(value) as string | undefined);
  return was === is ? [] : [{ key, was, is }];
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
