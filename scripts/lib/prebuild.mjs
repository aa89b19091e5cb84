// Prebuilt modules: built without the tests' exports, stripped, without a run path, described by a manifest that the
// loader (lib/native/prebuilt.ts) reads.
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { prepareCuda } from "./cuda.mjs";
import { cudaTorchVersion } from "./cuda-wheels.mjs";
import { findLibtorch, pinnedVersion } from "./libtorch.mjs";
import { addon, cmakeGenerator, dropForeignBuild, runCmakeJs } from "./native.mjs";
import { packagesNeeded } from "./packages.mjs";
import { describeModule, manifestOf } from "./prebuild-manifest.mjs";
import { describeMissing, findManager, findMissing } from "./prerequisites.mjs";
import { capture, runLogged } from "./process.mjs";
import { root, setupDir, SetupError, writeAtomic } from "./project.mjs";
import { startStep } from "./report.mjs";

/** @typedef {import("./libtorch.mjs").Libtorch} Libtorch */
/** @typedef {import("./report.mjs").Step} Step */

export const prebuildsDir = join(root, "prebuilds", "linux-x64");
export const cudaPackage = join(root, "npm", "linux-x64-cuda");
const builds = join(root, "build-prebuild");

/** The names that /proc/cpuinfo has for what each level of x86-64 adds. */
const v3Flags = ["avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"];
const v4Flags = [...v3Flags, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"];
/** The best first; what a processor must have. */
const levels = [
  { march: "x86-64-v4", cpu: v4Flags },
  { march: "x86-64-v3", cpu: v3Flags },
  { march: "x86-64", cpu: /** @type {string[]} */ ([]) },
];

function checkMachine() {
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new SetupError(`prebuilt modules are for Linux on x86-64, this is ${process.platform} ${process.arch}`);
  }
  const missing = findMissing();
  if (missing.length > 0) throw new SetupError(describeMissing(missing, findManager()));
  const packages = packagesNeeded();
  if (packages !== undefined) throw new SetupError(`${packages}: run \`npm run setup\``);
}

/**
 * @param {Libtorch} libtorch
 * @param {string} version
 */
function checkPinned(libtorch, version) {
  if (libtorch.version.split("+")[0] === version) return;
  throw new SetupError(`a release is built with libtorch ${version}, this is ${libtorch.version} (${libtorch.how})`);
}

/**
 * Configures and builds a module that does not depend on this machine.
 * @param {string} name of its build folder
 * @param {Libtorch} libtorch
 * @param {{ options: Record<string, string>, toolkit?: string }} how
 * @param {Step} step
 * @returns {Promise<string>} the build folder
 */
async function buildRelease(name, libtorch, { options, toolkit = "" }, step) {
  const folder = join(builds, name);
  const generator = cmakeGenerator();
  dropForeignBuild(libtorch, generator, { folder, stamp: `prebuild-${name}`, toolkit });
  const all = { PAPO_TESTING: "OFF", PAPO_TORCH_DIR: libtorch.dir, ...options };
  const defines = Object.entries(all).map(([option, value]) => `--CD${option}=${value}`);
  await runCmakeJs([...defines, "-O", folder, "-G", generator], `prebuild-${name}`, step);
  return folder;
}

/**
 * Copies a build's modules without symbols and run path.
 * @param {string} build its folder
 * @param {string} out
 * @param {string} name of the module
 */
async function install(build, out, name) {
  const folder = mkdtempSync(join(out, ".install-"));
  const log = join(setupDir, "prebuild-install.log");
  await runLogged("cmake", ["--install", build, "--prefix", folder, "--strip"], { log, cwd: root });
  renameSync(join(folder, "papo.node"), join(out, name));
  renameSync(join(folder, "preload.node"), join(out, "preload.node"));
  rmSync(folder, { recursive: true });
}

/**
 * @param {string} out
 * @param {Libtorch} libtorch
 * @param {readonly { file: string, cpu: readonly string[] }[]} modules
 */
function writeManifest(out, libtorch, modules) {
  const manifest = manifestOf(out, libtorch, modules);
  writeAtomic(join(out, "manifest.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
}

/**
 * The release's modules for the CPU.
 * @param {string} out
 */
export async function prebuild(out) {
  checkMachine();
  const libtorch = findLibtorch();
  if ("tried" in libtorch) throw new SetupError(`no libtorch: ${libtorch.tried.join("; ")}: run \`npm run setup\``);
  checkPinned(libtorch, pinnedVersion);
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const modules = levels.map(({ march, cpu }) => ({ march, cpu, file: `papo-${march}.node` }));
  for (const { march, file } of modules) {
    const step = startStep(march);
    await install(await buildRelease(march, libtorch, { options: { PAPO_MARCH: march } }, step), out, file);
    step.done(describeModule(join(out, file)));
  }
  writeManifest(out, libtorch, modules);
}

/**
 * The module of `npm run build` as if it were a release's: what packing and installing are tested with. It needs this
 * machine's processor, of which the manifest can name only a part.
 * @param {string} out
 */
export async function prebuildHere(out) {
  const libtorch = findLibtorch();
  if ("tried" in libtorch) throw new SetupError(`no libtorch: ${libtorch.tried.join("; ")}`);
  mkdirSync(out, { recursive: true });
  const file = "papo-native.node";
  await install(join(addon, "..", ".."), out, file);
  const flags =
    readFileSync("/proc/cpuinfo", "utf8")
      .match(/^flags\s*:.*$/m)?.[0]
      .split(/\s+/) ?? [];
  writeManifest(out, libtorch, [{ file, cpu: v4Flags.filter((flag) => flags.includes(flag)) }]);
}

/**
 * The package for NVIDIA GPUs; what has one has AVX2.
 * @param {string} out
 */
export async function prebuildCuda(out) {
  checkMachine();
  const step = startStep("cuda");
  const { toolkit, libtorch } = await prepareCuda(step);
  checkPinned(libtorch, cudaTorchVersion);
  const nvcc = join(toolkit, "bin", "nvcc");
  const compiler = capture(nvcc, ["--version"])?.trim().split("\n").at(-1) ?? "";
  const cuda = { PAPO_CUDA: "ON", CMAKE_CUDA_COMPILER: nvcc, CUDAToolkit_ROOT: toolkit };
  const how = { options: { PAPO_MARCH: "x86-64-v3", ...cuda }, toolkit: `${toolkit} ${compiler}` };
  const build = await buildRelease("cuda", libtorch, how, step);
  mkdirSync(out, { recursive: true });
  await install(build, out, "papo.node");
  writeManifest(out, libtorch, [{ file: "papo.node", cpu: v3Flags }]);
  step.done(describeModule(join(out, "papo.node")));
}
