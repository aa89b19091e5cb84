// lib/ to dist/: tsc for the TypeScript, vite for the dashboard's page, copies for everything else.
import { chmodSync, cpSync, existsSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { runLogged } from "./process.mjs";
import { hashInputs, listFiles, readStamp, root, setupDir, writeStamp } from "./project.mjs";
import { buildWeb, hasWeb, isOfWeb } from "./web.mjs";

const source = join(root, "lib");
const output = join(root, "dist");
const main = join(output, "cli", "main.js");
const inputs = [
  source,
  ...["tsconfig.json", "tsconfig.build.json", "package-lock.json"].map((file) => join(root, file)),
];

/** Whether dist/ is not what lib/ says; never where lib/ is absent, as in the published package. */
export function typescriptNeeded() {
  return existsSync(source) && !(hasAllOutputs() && readStamp("typescript") === hashInputs(inputs, []));
}

/**
 * The source of an output file; undefined for what the compiler keeps for itself.
 * @param {string} name relative to dist/
 * @returns {string[]} names relative to lib/, of which one has to exist
 */
export function sourcesOf(name) {
  const typescript = name.replace(/(\.d\.ts|\.js|\.js\.map)$/, ".ts");
  return typescript === name ? [name] : [typescript, name];
}

/**
 * What becomes of a source file.
 * @param {string} name relative to lib/
 * @returns {string[]} names relative to dist/
 */
export function outputsOf(name) {
  if (!name.endsWith(".ts")) return [name];
  return [".js", ".js.map", ".d.ts"].map((extension) => name.replace(/\.ts$/, extension));
}

/** Without the page's, which vite takes. */
function ownSources() {
  return listFiles([source]).filter((file) => !isOfWeb(relative(source, file)));
}

function hasAllOutputs() {
  const names = ownSources().flatMap((file) => outputsOf(relative(source, file)));
  return hasWeb() && names.every((name) => existsSync(join(output, name)));
}

function dropOrphans() {
  for (const file of listFiles([output])) {
    const name = relative(output, file);
    if (name === ".tsbuildinfo" || isOfWeb(name)) continue;
    if (!sourcesOf(name).some((candidate) => existsSync(join(source, candidate)))) rmSync(file);
  }
}

function copyAssets() {
  for (const file of ownSources()) {
    if (!file.endsWith(".ts")) cpSync(file, join(output, relative(source, file)));
  }
}

/** @param {import("./report.mjs").Step} step */
export async function buildTypescript(step) {
  const key = hashInputs(inputs, []);
  step.update("compiling");
  // The compiler's own record may say that files are there which somebody has removed.
  if (!hasAllOutputs()) rmSync(join(output, ".tsbuildinfo"), { force: true });
  const compiler = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
  const args = [compiler, "-p", "tsconfig.build.json"];
  await runLogged(process.execPath, args, { log: join(setupDir, "typescript.log"), cwd: root });
  dropOrphans();
  copyAssets();
  step.update("building the dashboard");
  await buildWeb();
  chmodSync(main, 0o755);
  writeStamp("typescript", key);
}
