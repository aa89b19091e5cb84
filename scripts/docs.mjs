// Brings the generated parts of docs/*.md up to date and makes the site: pages and API reference in docs/build.
// usage: npm run docs [-- --out DIR]; the command line is built first
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";
import { fillBlocks } from "./lib/docs-blocks.mjs";
import { root } from "./lib/project.mjs";

const { values } = parseArgs({ options: { out: { type: "string", default: join(root, "docs", "build") } } });

/** @param {string} name a module of lib/, as it was built */
const built = async (name) => await import(join(root, "dist", name));

async function sources() {
  const [{ settingGroups }, { referenceKeys }, { recipeNames }, { loadRunConfig }] = await Promise.all(
    ["config/setting-docs.js", "config/easyr1-keys.js", "config/recipes.js", "config/load.js"].map(built),
  );
  const recipes = recipeNames().map((/** @type {string} */ name) => [name, loadRunConfig([name])]);
  return { settings: settingGroups(), referenceKeys, recipes };
}

const parts = await sources();
const folder = join(root, "docs");
for (const name of readdirSync(folder).filter((name) => name.endsWith(".md"))) {
  const page = readFileSync(join(folder, name), "utf8");
  const filled = fillBlocks(page, parts);
  if (filled !== page) {
    writeFileSync(join(folder, name), filled);
    console.log(`docs/${name}: brought up to date`);
  }
}

const typedoc = join(dirname(createRequire(import.meta.url).resolve("typedoc/package.json")), "bin", "typedoc");
const { status } = spawnSync(process.execPath, [typedoc, "--out", values.out], { cwd: root, stdio: "inherit" });
process.exitCode = status ?? 1;
