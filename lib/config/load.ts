// Words of the command line, or settings of a program, to a run: a recipe or a file, and overrides.
import { basename, extname } from "node:path";
import type { z } from "zod";
import { ConfigError } from "../errors.ts";
import { loadWithOverrides, overBase } from "./chain.ts";
import { show } from "./explain.ts";
import { locate } from "./files.ts";
import { parseOverride } from "./overrides.ts";
import type { Override } from "./overrides.ts";
import { parseSettings } from "./read-yaml.ts";
import { resolveRun } from "./resolve.ts";
import type { configFileSchema, RunConfig } from "./schema.ts";
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

/** What a config file may hold: settings in papo's keys, over those of the recipe or the file that `extends` names. */
export type RunSettings = z.input<typeof configFileSchema>;

/**
 * A run as a program names it: a {@link RunSettings} such as `{ extends: "qwen2_5_vl_3b_grpo_papo", optim: { lr: 1e-6 } }`,
 * the words of the command line such as `["qwen2_5_vl_3b_grpo_papo", "optim.lr=1e-6"]`, or what resolveConfig gave.
 */
export type RunSource = RunSettings | readonly string[] | RunConfig;

/**
 * Every setting of a run, as `papo config show` prints them.
 * @returns deeply frozen; a run that is resolved already as it is
 * @throws {ConfigError} where, key, rule and what came; a misspelt key with the nearest one that exists
 */
export function resolveConfig(run: RunSource, options: LoadOptions = {}): RunConfig {
  if (isWords(run)) return loadRunConfig(run, options);
  return "notes" in run ? run : runConfigOf(run, options);
}

const isWords = (run: RunSource): run is readonly string[] => Array.isArray(run);

/**
 * The run that a program describes, e.g. `{ model: { path }, rollout: { n: 5 } }`, by the rules of papo's own files.
 * @param values what a config file would hold
 * @returns deeply frozen
 * @throws {ConfigError} key, rule and what came
 */
export function runConfigOf(values: RunSettings, options: LoadOptions = {}): RunConfig {
  const cwd = options.cwd ?? process.cwd();
  const origin: Origin = { where: "settings", key: "", folder: cwd, source: "own" };
  const root = relabelMap(parseSettings(JSON.stringify(values), origin.where, origin), origin);
  const { root: whole, notes } = overBase(root, cwd);
  const name = values.extends === undefined ? "run" : basename(values.extends, extname(values.extends));
  return resolveRun(whole, { cwd, name, notes, groups: options.groups ?? true });
}
