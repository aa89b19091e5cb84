// The addon, through cmake-js: build/Release/papo.node.
import { existsSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, cpus, freemem } from "node:os";
import { dirname, join } from "node:path";
import { libtorchIdentity } from "./libtorch.mjs";
import { capture, runLogged } from "./process.mjs";
import { hashInputs, readStamp, root, setupDir, SetupError, writeAtomic, writeStamp } from "./project.mjs";

/** @typedef {import("./libtorch.mjs").Libtorch} Libtorch */

export const addon = join(root, "build", "Release", "papo.node");
/** What one compiler process takes with libtorch's headers. */
const bytesPerJob = 2e9;

const require = createRequire(import.meta.url);

/** @param {string} name */
const packageVersion = (name) => /** @type {{ version: string }} */ (require(`${name}/package.json`)).version;

/** The code is compiled for this processor, so a folder that moves to another machine is built again. */
const processor = () => `${process.platform} ${process.arch} ${cpus()[0]?.model ?? ""}`;

/**
 * Everything that the addon is made from.
 * @param {Libtorch} libtorch
 */
export function nativeKey(libtorch) {
  const versions = ["cmake-js", "node-addon-api"].map(packageVersion);
  const facts = [libtorchIdentity(libtorch), processor(), ...versions];
  return hashInputs([join(root, "native"), join(root, "CMakeLists.txt")], facts);
}

/** @param {Libtorch} libtorch */
export function nativeNeeded(libtorch) {
  return !existsSync(addon) || readStamp("native") !== nativeKey(libtorch);
}

/**
 * Whether objects of an earlier build would not fit this one.
 * @param {string} cacheText build/CMakeCache.txt
 * @param {{ torchDir: string, generator: string, home: string }} now
 */
export function cacheMismatch(cacheText, now) {
  const value = (/** @type {string} */ name) => new RegExp(`^${name}:[A-Z]+=(.*)$`, "m").exec(cacheText)?.[1];
  return (
    value("PAPO_TORCH_DIR") !== now.torchDir ||
    value("CMAKE_GENERATOR") !== now.generator ||
    value("CMAKE_HOME_DIRECTORY") !== now.home
  );
}

/**
 * Removes a build folder when its objects belong to another libtorch, generator, folder, processor or toolkit.
 * @param {Libtorch} libtorch
 * @param {string} generator
 * @param {{ folder: string, stamp: string, toolkit?: string }} build
 */
export function dropForeignBuild(libtorch, generator, { folder, stamp, toolkit = "" }) {
  const identity = [libtorchIdentity(libtorch), processor(), toolkit].join(" ").trim();
  const stamped = readStamp(stamp);
  const now = { torchDir: libtorch.dir, generator, home: root };
  const cache = join(folder, "CMakeCache.txt");
  const foreign = existsSync(cache) && cacheMismatch(readFileSync(cache, "utf8"), now);
  if (foreign || (stamped !== undefined && stamped !== identity)) rmSync(folder, { recursive: true, force: true });
  writeStamp(stamp, identity);
}

/** @returns {string} what cmake's generator is to be */
export const cmakeGenerator = () => (capture("ninja", ["--version"]) === undefined ? "Unix Makefiles" : "Ninja");

/**
 * Configures and builds through cmake-js, with progress.
 * @param {readonly string[]} options cmake-js's
 * @param {string} log begins the names of the two logs in .setup
 * @param {import("./report.mjs").Step} step
 * @throws {SetupError} with the compiler's errors
 */
export async function runCmakeJs(options, log, step) {
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / bytesPerJob)));
  const cmakeJs = join(dirname(require.resolve("cmake-js/package.json")), "bin", "cmake-js");
  for (const command of ["configure", "build"]) {
    step.update(command === "configure" ? "configuring" : "building");
    await runLogged(process.execPath, [cmakeJs, command, ...options, "--parallel", String(jobs)], {
      log: join(setupDir, `${log}-${command}.log`),
      cwd: root,
      onLine: (line) => {
        const progress = /^\[\s*(\d+\/\d+|\d+%)\]/.exec(line);
        if (progress) step.update(`building ${progress[1]}`);
      },
    });
  }
}

/**
 * Builds the addon and loads it once in another process.
 * @param {Libtorch} libtorch
 * @param {import("./report.mjs").Step} step
 * @throws {SetupError} with the compiler's errors
 */
export async function buildNative(libtorch, step) {
  const key = nativeKey(libtorch);
  const generator = cmakeGenerator();
  dropForeignBuild(libtorch, generator, { folder: join(root, "build"), stamp: "native-objects" });
  await runCmakeJs([`--CDPAPO_TORCH_DIR=${libtorch.dir}`, "-G", generator], "native", step);
  await checkLoads(libtorch);
  writeAtomic(join(setupDir, "libtorch.json"), JSON.stringify(libtorch)); // for `papo doctor`
  writeStamp("native", key);
}

/**
 * @param {Libtorch} libtorch
 */
async function checkLoads(libtorch) {
  const code = `const { runtimeInfo } = require(${JSON.stringify(addon)}); runtimeInfo();`;
  try {
    await runLogged(process.execPath, ["-e", code], { log: join(setupDir, "native-load.log"), cwd: root });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new SetupError(
      `the addon was built but does not load with libtorch ${libtorch.version} of ${libtorch.dir}\n${text}`,
    );
  }
}
