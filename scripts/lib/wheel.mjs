// Preparing libtorch from the pinned torch wheel: pip downloads (and checks the index's hash), Python unpacks what a
// build needs into a temporary folder, and a rename makes it valid. Each part is skipped when an earlier run did it.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { pinnedVersion, readLibtorch } from "./libtorch.mjs";
import { atLeast, findPython } from "./prerequisites.mjs";
import { capture, runLogged } from "./process.mjs";
import { libtorchDir, root, setupDir, SetupError } from "./project.mjs";

/** @typedef {import("./libtorch.mjs").Libtorch} Libtorch */

/** The biggest wheel (a CUDA build), what is kept of it, and the addon's own build. */
const bytesNeeded = 2.5e9;

/** Headers, version, and the libraries that libtorch_cpu needs; not Python's, CUDA's and the tests'. */
export const torchMembers =
  "torch/include/.*|torch/version\\.py|torch\\.libs/.*|" +
  "torch/lib/(libc10|libtorch_cpu|lib(?!torch|c10|shm|caffe2|aoti_|jitbackend|backend_)[^/]*)\\.(so|dylib)[^/]*";

/**
 * The wheels that hold the CUDA libraries which a CUDA build's libtorch_cpu.so wants even where no GPU is used.
 * They come to lie where its own run path looks: nvidia/ beside torch/.
 * @param {readonly string[]} needed library names, as `readelf -d` lists them
 * @param {string | undefined} cuda "13.0"
 * @returns {string[]} pip requirements
 */
export function cudaRequirements(needed, cuda) {
  const wheels = {
    "libcudart.so": "nvidia-cuda-runtime",
    "libcupti.so": "nvidia-cuda-cupti",
    "libcufile.so": "nvidia-cufile",
  };
  const major = Number.parseInt(cuda ?? "0", 10);
  const suffix = major >= 13 ? "" : `-cu${major}`; // from CUDA 13 on the names carry no version
  return Object.entries(wheels)
    .filter(([library]) => needed.some((name) => name.startsWith(library)))
    .map(([, wheel]) => `${wheel}${suffix}${wheel === "nvidia-cufile" ? "" : `==${cuda}.*`}`);
}

/**
 * @param {string} library
 * @returns {string[]} names of the libraries that it needs; none where readelf is absent
 */
function neededLibraries(library) {
  const listing = capture("readelf", ["-d", library]) ?? "";
  return [...listing.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map((match) => match[1] ?? "");
}

/**
 * The file of a wheel in a folder; undefined when there is none.
 * @param {string} folder
 * @param {string} requirement
 */
function wheelIn(folder, requirement) {
  const name = (requirement.split("==")[0] ?? "").replaceAll("-", "_");
  const version = requirement.split("==")[1]?.replace(/\*$/, "") ?? "";
  if (!existsSync(folder)) return undefined;
  const file = readdirSync(folder).find((entry) => entry.startsWith(`${name}-${version}`) && entry.endsWith(".whl"));
  return file && join(folder, file);
}

/** What to do where pip gives no wheel, beside giving it one. */
const otherLibtorch =
  "or set PAPO_LIBTORCH to the torch/ folder of an installed torch 2.13 or 2.14 (python3 -c 'import torch; print(torch.__path__[0])')";

/** @type {string | undefined} asked once */
let pipVersion;

/**
 * How pip downloads. A broken connection is taken up where it broke (pip 25.1, which alone knows that variable); progress
 * in lines comes with pip 24.1. It checks the index's hash, and takes the environment's proxies.
 * @param {string} python
 */
function pipDownload(python) {
  pipVersion ??= /^pip (\S+)/.exec(capture(python, ["-m", "pip", "--version"]) ?? "")?.[1] ?? "0";
  const progress = atLeast(pipVersion, "24.1") ? ["--progress-bar", "raw"] : [];
  return {
    args: ["-m", "pip", "download", "--no-deps", "--retries", "0", ...progress],
    env: { PIP_RESUME_RETRIES: "20", ...process.env },
  };
}

/**
 * @param {string} line of pip's
 * @returns {string | undefined} "34 % of 196 MB" where the line says so
 */
export function pipProgress(line) {
  const [, done, total] = /^Progress (\d+) of (\d+)/.exec(line) ?? [];
  if (!Number(total)) return undefined;
  return `${Math.floor((100 * Number(done)) / Number(total))} % of ${Math.round(Number(total) / 1e6)} MB`;
}

/**
 * The wheel of a requirement, downloaded when it is not there yet. Wheels for another Python version do as well as
 * this one's: only C++ parts are used.
 * @param {string} python
 * @param {string} requirement
 * @param {import("./report.mjs").Step} step
 * @param {{ folder: string, logs?: string, otherwise?: string, label?: string }} options otherwise: what else the user
 * may do
 * @throws {SetupError} with possible solutions
 */
export async function download(python, requirement, step, options) {
  const { folder, logs = setupDir, otherwise = otherLibtorch, label = requirement } = options;
  const log = join(logs, "download.log");
  const { args: pip, env } = pipDownload(python);
  const onLine = (/** @type {string} */ line) => {
    const progress = pipProgress(line);
    if (progress) step.update(`downloading ${label}: ${progress}`);
  };
  /** @type {unknown} */
  let failure;
  for (const version of [undefined, "3.12", "3.11", "3.13"]) {
    const there = wheelIn(folder, requirement);
    if (there) return there;
    step.update(`downloading ${label}`);
    const anyPython = version ? ["--only-binary=:all:", "--python-version", version] : [];
    const args = [...pip, ...anyPython, "-d", folder, requirement];
    try {
      await runLogged(python, args, { log, cwd: root, env, onLine });
    } catch (error) {
      failure ??= error;
      if (/DO NOT MATCH THE HASHES/.test(String(error))) break; // another download would not be another file
    }
  }
  const wheel = wheelIn(folder, requirement);
  if (wheel) return wheel;
  throw new SetupError(
    `${requirement} could not be downloaded.\n${failure instanceof Error ? failure.message : ""}\nPossible solutions:\n` +
      "  - without network: put the wheel into a folder and set PIP_FIND_LINKS to it, or name it by PIP_INDEX_URL\n" +
      `  - ${otherwise}\n  - then run this again`,
  );
}

/**
 * Unpacks a wheel; one that turns out broken is removed, so that the next run downloads it again.
 * @param {string} python
 * @param {string} wheel
 * @param {string} members
 * @param {{ folder: string, logs?: string }} where
 */
export async function unpack(python, wheel, members, { folder, logs = setupDir }) {
  const args = [join(import.meta.dirname, "unpack-wheel.py"), wheel, folder, members];
  try {
    await runLogged(python, args, { log: join(logs, "unpack.log"), cwd: root });
  } catch (error) {
    rmSync(wheel, { force: true });
    throw error;
  }
}

/**
 * torch/ goes last: it is what makes the copy count as prepared.
 * @param {string} unpacked
 * @param {string} folder
 */
function moveIntoPlace(unpacked, folder) {
  const names = readdirSync(unpacked).sort((a, b) => Number(a === "torch") - Number(b === "torch"));
  for (const name of names) {
    rmSync(join(folder, name), { recursive: true, force: true });
    renameSync(join(unpacked, name), join(folder, name));
  }
}

/**
 * Makes torch/ in a folder from the pinned wheel.
 * @param {import("./report.mjs").Step} step
 * @param {{ folder?: string, logs?: string }} [where] a clone's by default
 * @returns {Promise<Libtorch>}
 */
export async function prepareLibtorch(step, { folder = libtorchDir, logs = setupDir } = {}) {
  const python = findPython();
  if (python === undefined) throw new SetupError("Python 3 is needed to prepare libtorch");
  const [downloads, unpacked] = [join(folder, "download"), join(folder, "unpacking")];
  mkdirSync(downloads, { recursive: true });
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < bytesNeeded) {
    const free = ((bavail * bsize) / 1e9).toFixed(1);
    throw new SetupError(`${folder}: ${free} GB free, preparing libtorch takes ${bytesNeeded / 1e9} GB`);
  }
  rmSync(unpacked, { recursive: true, force: true });
  const fetch = (/** @type {string} */ wheel) => download(python, wheel, step, { folder: downloads, logs });
  const wheel = await fetch(`torch==${pinnedVersion}`);
  step.update("unpacking");
  await unpack(python, wheel, torchMembers, { folder: unpacked, logs });
  const found = readLibtorch(join(unpacked, "torch"), "prepared by setup");
  if ("problem" in found || !found.version.startsWith(pinnedVersion)) {
    rmSync(wheel, { force: true });
    const what = "problem" in found ? found.problem : `it holds version ${found.version}`;
    throw new SetupError(`${wheel} is not torch ${pinnedVersion}: ${what}; it was removed, run this again`);
  }
  const needed = neededLibraries(join(unpacked, "torch/lib/libtorch_cpu.so"));
  for (const requirement of cudaRequirements(needed, found.cuda)) {
    const members = "nvidia/[^/]+/lib/lib(cudart|cupti|cufile)\\.so\\.\\d+";
    await unpack(python, await fetch(requirement), members, { folder: unpacked, logs });
  }
  moveIntoPlace(unpacked, folder);
  rmSync(unpacked, { recursive: true, force: true });
  rmSync(downloads, { recursive: true, force: true });
  return { ...found, dir: join(folder, "torch") };
}
