// Words of the command line to a run: a recipe or a file, and overrides.
import { basename, extname } from "node:path";
import { ConfigError } from "../errors.ts";
import { loadWithOverrides } from "./chain.ts";
import { show } from "./explain.ts";
import { locate } from "./files.ts";
import { parseOverride } from "./overrides.ts";
import type { Override } from "./overrides.ts";
import { parseSettings } from "./read-yaml.ts";
import { expandShortForms, resolveRun } from "./resolve.ts";
import type { RunConfig } from "./schema.ts";
import { relabelMap } from "./tree.ts";
import type { Origin } from "./tree.ts";

const where = "command line";

/** The recipe or file among the words, and the others as overrides. */
function splitWords(words: readonly string[], cwd: string): { target: string; overrides: readonly Override[] } {
  const isTarget = (word: string) => !word.includes("=") || word.startsWith("config=");
  const targets = words.filter(isTarget).map((word) => word.replace(/^config=/u, ""));
  const [target, second] = targets;
  if (target === undefined || target === "") {
    throw new ConfigError("", "expected a recipe's name or a config file; papo config list shows the recipes", where);
  }
  if (second !== undefined) {
    throw new ConfigError("", `expected one recipe or config file, got ${targets.map(show).join(" and ")}`, where);
  }
  return { target, overrides: words.filter((word) => !isTarget(word)).map((word) => parseOverride(word, cwd)) };
}

export interface LoadOptions {
  /** Where relative paths of the command line start; process.cwd() otherwise. */
  readonly cwd?: string;
  /** False where no groups are trained on, as in papo sft: rollout.n may then be 1 whatever the advantage. */
  readonly groups?: boolean;
}

/**
 * The run that the words name: `RECIPE`, `FILE` or `config=FILE`, then `key=value` overrides in any number, the later
 * over the earlier. A file may be the reference's own YAML, with overrides in its names or in papo's, or a run that
 * papo saved.
 * @returns deeply frozen
 * @throws {ConfigError} file, line, column, key, rule and what came; a misspelt key with the nearest one that exists
 */
export function loadRunConfig(words: readonly string[], options: LoadOptions = {}): RunConfig {
  const cwd = options.cwd ?? process.cwd();
  const { target, overrides } = splitWords(words, cwd);
  const file = locate({ name: target, folder: cwd, key: "", where });
  const { root, notes } = loadWithOverrides(file, cwd, overrides);
  return resolveRun(root, { cwd, name: basename(file, extname(file)), notes, groups: options.groups ?? true });
}

/**
 * The run that a program describes, e.g. `{ model: { path }, rollout: { n: 5 } }`, by the rules of papo's own files.
 * @param values what a config file would hold, without `extends`
 * @returns deeply frozen
 * @throws {ConfigError} key, rule and what came
 */
export function runConfigOf(values: object, options: LoadOptions = {}): RunConfig {
  const cwd = options.cwd ?? process.cwd();
  const origin: Origin = { where: "settings", key: "", folder: cwd, source: "own" };
  const root = relabelMap(parseSettings(JSON.stringify(values), origin.where, origin), origin);
  const notes = { withoutEffect: [], ignored: [], neverRead: [] };
  return resolveRun(expandShortForms(root), { cwd, name: "run", notes, groups: options.groups ?? true });
}
