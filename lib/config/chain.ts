// A config file with everything that it extends, in papo's keys.
import { realpathSync } from "node:fs";
import { basename } from "node:path";
import { ConfigError } from "../errors.ts";
import { isReferenceConfig, translateReference } from "./easyr1.ts";
import { isSettingPath, show } from "./explain.ts";
import { displayName, isShipped, locate } from "./files.ts";
import type { Override } from "./overrides.ts";
import { readSettings } from "./read-yaml.ts";
import { expandShortForms } from "./resolve.ts";
import type { ConfigNotes } from "./schema.ts";
import { leaves, merge, nest, settingAt, toPlain, without } from "./tree.ts";
import type { Branch, Origin, Setting } from "./tree.ts";

const maxExtends = 16;

export interface Loaded {
  readonly root: Branch;
  readonly notes: ConfigNotes;
}

function stringList(root: Branch, key: string): string[] {
  const list = settingAt(root, ["notes", key]);
  const value = list === undefined ? [] : toPlain(list);
  return Array.isArray(value) ? value.map(String) : [];
}

/** The settings of a file; of a run folder's config.json those of its run. */
function readFile(file: string, cwd: string, source: Origin["source"]): Branch {
  const root = readSettings(file, displayName(file, cwd), source);
  const config = root.entries.get("config");
  return config?.kind === "branch" && root.entries.has("build") ? config : root;
}

/** A run that papo printed or saved: everything is spelt out in it, and it brings its notes. */
function readResolved(file: string, cwd: string): Loaded {
  const root = readFile(file, cwd, "resolved");
  const notes = {
    withoutEffect: stringList(root, "withoutEffect"),
    ignored: stringList(root, "ignored"),
    neverRead: stringList(root, "neverRead"),
  };
  return { root: without(root, "notes"), notes };
}

/** The file that `extends` means; `chain` are the real paths of the files so far, this one last. */
function baseFile(base: Setting, chain: readonly string[]): string {
  const name = toPlain(base);
  const { where, folder } = base.origin;
  if (typeof name !== "string") {
    throw new ConfigError("extends", `expected a recipe's name or a file, got ${show(name)}`, where);
  }
  const file = locate({ name, folder, key: "extends", where });
  if (chain.includes(realpathSync(file))) {
    throw new ConfigError("extends", `files cannot extend each other, got ${basename(file)} a second time`, where);
  }
  if (chain.length >= maxExtends) {
    throw new ConfigError("extends", `expected a chain of at most ${maxExtends} files`, where);
  }
  return file;
}

/** The settings of `file` over those of the files that it extends. */
export function loadFile(file: string, cwd: string, chain: readonly string[] = []): Loaded {
  const root = readFile(file, cwd, isShipped(file) ? "published" : "own");
  if (root.entries.has("notes")) return readResolved(file, cwd);
  if (isReferenceConfig(root)) return translateReference(root, cwd);
  return overBase(root, cwd, [...chain, realpathSync(file)]);
}

/** `root` over the recipe or the files that it extends; `chain` as in baseFile. */
export function overBase(root: Branch, cwd: string, chain: readonly string[] = []): Loaded {
  const base = root.entries.get("extends");
  const own = expandShortForms(without(root, "extends"));
  if (base === undefined) return { root: own, notes: { withoutEffect: [], ignored: [], neverRead: [] } };
  const below = loadFile(baseFile(base, chain), cwd, chain);
  return { root: merge(below.root, own), notes: below.notes };
}

function withOverrides(root: Branch, overrides: readonly Override[]): Branch {
  const layers = overrides.map(({ path, setting }) => expandShortForms(nest(path, setting)));
  return { ...layers.reduce(merge, root), origin: root.origin };
}

/** Whether all of the override stands in papo's own keys; a misspelt one in a run of the reference counts as its. */
function isOwn({ path, setting }: Override): boolean {
  return [...leaves(setting, path)].every((entry) => isSettingPath(entry.path));
}

/**
 * The settings of `file` with overrides on top. In a file of the reference, overrides by the reference's names go in
 * before it is translated, papo's own names afterwards.
 */
export function loadWithOverrides(file: string, cwd: string, overrides: readonly Override[]): Loaded {
  const theirs = readFile(file, cwd, "published");
  if (theirs.entries.has("notes") || !isReferenceConfig(theirs)) {
    const { root, notes } = loadFile(file, cwd);
    return { root: withOverrides(root, overrides), notes };
  }
  const byTheirName = overrides.filter((override) => !isOwn(override));
  const { root, notes } = translateReference(withOverrides(theirs, byTheirName), cwd);
  return { root: withOverrides(root, overrides.filter(isOwn)), notes };
}
