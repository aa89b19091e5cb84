// The runs that come with papo: lib/recipes/*.yaml. A name that starts with _ is a base for others, not a run.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Folder of the shipped recipes, absolute. */
export const recipesDir = join(dirname(fileURLToPath(import.meta.url)), "..", "recipes");

const extension = ".yaml";

/** Names of all shipped runs, sorted. */
export function recipeNames(): string[] {
  return readdirSync(recipesDir)
    .filter((file) => file.endsWith(extension) && !file.startsWith("_"))
    .map((file) => file.slice(0, -extension.length))
    .sort();
}

/** File of the recipe or base `name`; undefined when there is none. */
export function recipeFile(name: string): string | undefined {
  if (!/^[\w.-]+$/u.test(name)) return undefined;
  const file = join(recipesDir, name + extension);
  return existsSync(file) ? file : undefined;
}

/** What the recipe is, from the comment that opens its file. */
export function recipeTitle(name: string): string {
  const file = recipeFile(name);
  const first = file === undefined ? undefined : /^# *(.*)/u.exec(readFileSync(file, "utf8"));
  return first?.[1] ?? "";
}
