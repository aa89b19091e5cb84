// Packs a release: papo with its prebuilt modules, and the package for NVIDIA GPUs where it has been built.
// The package's package.json gets that package as an optional dependency only here: npm ci in a clone would ask the
// registry for it, and refuse a lock file without it.
// usage: node scripts/pack.mjs [--out DIR] [--prebuilds DIR]    the tarballs' names are printed
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { cudaPackage, prebuildsDir } from "./lib/prebuild.mjs";
import { capture } from "./lib/process.mjs";
import { root } from "./lib/project.mjs";

/** @param {string} text */
function fail(text) {
  process.stderr.write(`papo pack: ${text}\n`);
  process.exit(1);
}

/**
 * @param {string} folder
 * @param {readonly string[]} args
 * @returns {{ filename: string, files: { path: string }[] }}
 */
function npmPack(folder, args) {
  const text = capture("npm", ["pack", "--json", ...args], { cwd: folder });
  return text === undefined ? fail(`npm pack fails in ${folder}`) : Object.values(JSON.parse(text))[0];
}

const { values } = parseArgs({
  options: { out: { type: "string", default: root }, prebuilds: { type: "string", default: prebuildsDir } },
});
const out = resolve(values.out);
const prebuilds = resolve(values.prebuilds);
if (!existsSync(join(prebuilds, "manifest.json"))) fail(`${prebuilds} holds no modules: run \`npm run prebuild\``);
if (!existsSync(join(root, "dist", "index.js"))) fail("dist/ is missing: run `npm run build:ts`");

const stage = mkdtempSync(join(tmpdir(), "papo-pack-"));
try {
  const files = npmPack(root, ["--dry-run"]).files.filter(({ path }) => !/^prebuilds\/./.test(path));
  for (const { path } of files) {
    mkdirSync(dirname(join(stage, path)), { recursive: true });
    cpSync(join(root, path), join(stage, path));
  }
  cpSync(prebuilds, join(stage, "prebuilds", "linux-x64"), { recursive: true });
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const { name, version } = JSON.parse(readFileSync(join(cudaPackage, "package.json"), "utf8"));
  const packed = { ...manifest, optionalDependencies: { [name]: version } };
  writeFileSync(join(stage, "package.json"), `${JSON.stringify(packed, undefined, 2)}\n`);
  mkdirSync(out, { recursive: true });
  console.log(npmPack(stage, ["--pack-destination", out]).filename);
  if (existsSync(join(cudaPackage, "manifest.json"))) {
    console.log(npmPack(cudaPackage, ["--pack-destination", out]).filename);
  }
} finally {
  rmSync(stage, { recursive: true, force: true });
}
