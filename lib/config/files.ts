// Which file a word means, and how messages call it.
import { existsSync, realpathSync, statSync } from "node:fs";
import { isAbsolute, relative, resolve, sep } from "node:path";
import { ConfigError } from "../errors.ts";
import { show } from "./explain.ts";
import { recipeFile, recipeNames, recipesDir } from "./recipes.ts";
import { didYouMean } from "./suggest.ts";

/** Where a recipe or a file is named. */
export interface Mention {
  /** Recipe name, or path of a file. */
  readonly name: string;
  /** Relative paths start here. */
  readonly folder: string;
  /** Key and place for messages. */
  readonly key: string;
  readonly where: string;
}

const isFileName = (name: string) => /\.(?:ya?ml|json)$/u.test(name) || /[/\\]/u.test(name);

/**
 * Absolute path of the recipe or file that is meant.
 * @throws {ConfigError} no such file; no such recipe, with the nearest name
 */
export function locate({ name, folder, key, where }: Mention): string {
  if (isFileName(name)) {
    const file = resolve(folder, name);
    if (existsSync(file) && statSync(file).isFile()) return file;
    throw new ConfigError(key, `expected a recipe or a config file, got ${show(name)}: no such file`, where);
  }
  const file = recipeFile(name);
  if (file !== undefined) return file;
  const hint = didYouMean(name, recipeNames());
  throw new ConfigError(key, `no recipe is called ${show(name)}${hint}; papo config list shows all`, where);
}

/** Relative to the working folder where the file lies in it. */
export function displayName(file: string, cwd: string): string {
  const short = relative(cwd, file);
  return short.startsWith("..") || isAbsolute(short) ? file : short;
}

/** Whether the file comes with papo. */
export function isShipped(file: string): boolean {
  return realpathSync(file).startsWith(realpathSync(recipesDir) + sep);
}
