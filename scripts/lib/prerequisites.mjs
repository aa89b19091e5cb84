// What setup needs from the machine, and the line that installs each missing thing.
import { capture } from "./process.mjs";

const minimumCmake = "3.22.0";

/** @typedef {"apt" | "dnf" | "brew"} Manager */
/** @typedef {{ need: string, packages: Record<Manager, string> | undefined, otherwise: string }} Missing */

/**
 * Whether a dotted version is at least another; letters after the numbers are ignored.
 * @param {string} version
 * @param {string} minimum
 */
export function atLeast(version, minimum) {
  const parse = (/** @type {string} */ text) => text.split(".").map((part) => Number.parseInt(part, 10) || 0);
  const [have, want] = [parse(version), parse(minimum)];
  for (let i = 0; i < want.length; ++i) {
    const difference = (have[i] ?? 0) - (want[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/** The first Python on the path that starts; undefined when there is none. */
export function findPython() {
  return ["python3", "python"].find((command) => capture(command, ["--version"])?.startsWith("Python 3"));
}

function hasCompiler() {
  const program =
    "#include <concepts>\n#include <span>\ntemplate <std::integral T> T f(T x) { return x; }\nint main() { return f(0); }\n";
  const candidates = process.env.CXX === undefined ? ["c++", "g++", "clang++"] : [process.env.CXX];
  const args = ["-std=c++20", "-fsyntax-only", "-x", "c++", "-"];
  return candidates.some((command) => capture(command, args, { input: program }) !== undefined);
}

function hasCmake() {
  const version = /cmake version (\S+)/.exec(capture("cmake", ["--version"]) ?? "")?.[1];
  return version !== undefined && atLeast(version, minimumCmake);
}

/** @returns {Manager | undefined} */
export function findManager() {
  /** @type {[Manager, string][]} */
  const managers = [
    ["apt", "apt-get"],
    ["dnf", "dnf"],
    ["brew", "brew"],
  ];
  return managers.find(([, command]) => capture(command, ["--version"]) !== undefined)?.[0];
}

/**
 * Everything that is missing, looked up on the PATH.
 * @returns {Missing[]}
 */
export function findMissing() {
  const python = findPython();
  /** @type {[boolean, Missing][]} */
  const checks = [
    [
      capture("npm", ["--version"]) !== undefined,
      {
        need: "npm",
        packages: { apt: "npm", dnf: "npm", brew: "node" },
        otherwise: "it comes with Node.js from nodejs.org",
      },
    ],
    [
      python !== undefined && capture(python, ["-m", "pip", "--version"]) !== undefined,
      {
        need: "Python 3 with pip (it fetches and unpacks libtorch)",
        packages: { apt: "python3-pip", dnf: "python3-pip", brew: "python" },
        otherwise: "from python.org, then `python3 -m ensurepip`",
      },
    ],
    [
      hasCompiler(),
      {
        need: "a C++20 compiler (g++ 11 or clang++ 14, or newer)",
        packages: { apt: "g++", dnf: "gcc-c++", brew: "llvm" },
        otherwise: "g++ 11 or clang++ 14, or newer, on the PATH, or CXX=/path/to/it",
      },
    ],
    [
      hasCmake(),
      {
        need: `cmake ${minimumCmake} or newer`,
        packages: { apt: "cmake", dnf: "cmake", brew: "cmake" },
        otherwise: "from cmake.org, or `pip install cmake`",
      },
    ],
    [
      capture("ninja", ["--version"]) !== undefined || capture("make", ["--version"]) !== undefined,
      {
        need: "ninja (or make)",
        packages: { apt: "ninja-build", dnf: "ninja-build", brew: "ninja" },
        otherwise: "from ninja-build.org, or `pip install ninja`",
      },
    ],
  ];
  return checks.filter(([found]) => !found).map(([, missing]) => missing);
}

/**
 * One text for all that is missing, each with the line that installs it.
 * @param {readonly Missing[]} missing
 * @param {Manager | undefined} manager
 */
export function describeMissing(missing, manager) {
  const install = { apt: "sudo apt-get install -y", dnf: "sudo dnf install -y", brew: "brew install" };
  const line = (/** @type {Missing} */ { need, packages, otherwise }) =>
    `  - ${need}\n      ${manager && packages ? `${install[manager]} ${packages[manager]}` : otherwise}`;
  const count = missing.length === 1 ? "One thing is" : `${missing.length} things are`;
  return `${count} missing on this machine:\n${missing.map(line).join("\n")}\nThen run this again.`;
}
