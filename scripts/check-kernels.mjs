// What the CUDA kernels take of a GPU, read from what ptxas said when they were compiled: registers, spills, shared
// memory, and by CUDA's own calculation blocks an SM and occupancy. Fails on spills, on a kernel over its budget of
// registers (native/kernels/budgets.json), and on one without a budget. Leaves the table in build-cuda/kernels.json, for
// `papo bench kernels`.
// usage: node scripts/check-kernels.mjs [--json]     after `npm run build -- --cuda`
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import { findToolkit } from "./lib/cuda.mjs";
import { root, SetupError, writeAtomic } from "./lib/project.mjs";

/**
 * One compiled kernel; instantiations of a template have one name, but for its first argument where that is a number.
 * @typedef {{ name: string, sm: number, registers: number, spillBytes: number, sharedBytes: number, barriers: number }} Resources
 * launcher: the function of native/kernels that launches it; threads: of a block
 * @typedef {{ launcher: string, threads: number, registers: number }} Budget
 * @typedef {Resources & { launcher: string, threads: number, blocks: number, occupancy: number }} Usage
 */

/**
 * What ptxas -v says of each kernel.
 * @param {string} text
 * @param {string} file base name of the .cu file: kernels of two files may have one name
 * @returns {Resources[]}
 */
export function parsePtxas(text, file) {
  const found = [];
  const pieces = text.split(/Compiling entry function '/).slice(1);
  for (const piece of pieces) {
    const [, mangled = "", sm = "0"] = /^(\S+)' for 'sm_(\d+)a?'/.exec(piece) ?? [];
    const number = (/** @type {RegExp} */ pattern) => Number(pattern.exec(piece)?.[1] ?? 0);
    found.push({
      name: `${file}/${kernelName(mangled) ?? mangled}`,
      sm: Number(sm),
      registers: number(/Used (\d+) registers/),
      spillBytes: number(/(\d+) bytes spill stores/) + number(/(\d+) bytes spill loads/),
      sharedBytes: number(/(\d+) bytes smem/),
      barriers: number(/used (\d+) barriers/),
    });
  }
  return found;
}

/**
 * The function's own name in an Itanium-mangled one: the identifier that ends in _kernel and that the digits before it
 * count; of a run of digits, the first may belong to a hash. A number that is the first template argument follows: <128>.
 * @param {string} mangled
 */
function kernelName(mangled) {
  for (const { 0: digits, index } of mangled.matchAll(/\d+/g)) {
    for (let first = 0; first < digits.length; first += 1) {
      const end = index + digits.length;
      const name = mangled.slice(end, end + Number(digits.slice(first)));
      if (!/^[a-z]\w*_kernel$/.test(name)) continue;
      const size = /^ILi(\d+)E/.exec(mangled.slice(end + name.length))?.[1];
      return size === undefined ? name : `${name}<${size}>`;
    }
  }
  return undefined;
}

/**
 * The most that any instantiation of a kernel takes on an architecture.
 * @param {readonly Resources[]} all
 * @returns {Resources[]}
 */
export function worstOf(all) {
  /** @type {Map<string, Resources>} */
  const worst = new Map();
  for (const one of all) {
    const key = `${one.name} ${one.sm}`;
    const before = worst.get(key) ?? one;
    worst.set(key, {
      ...one,
      registers: Math.max(one.registers, before.registers),
      spillBytes: Math.max(one.spillBytes, before.spillBytes),
      sharedBytes: Math.max(one.sharedBytes, before.sharedBytes),
      barriers: Math.max(one.barriers, before.barriers),
    });
  }
  return [...worst.values()].sort((a, b) => a.name.localeCompare(b.name) || a.sm - b.sm);
}

/**
 * What is wrong with the kernels; empty when nothing is.
 * @param {readonly Resources[]} kernels
 * @param {Record<string, { registers: number }>} budgets
 * @returns {string[]}
 */
export function problemsOf(kernels, budgets) {
  return kernels.flatMap(({ name, sm, registers, spillBytes }) => {
    const budget = budgets[name];
    const at = `${name} for sm_${sm}`;
    return [
      ...(spillBytes > 0 ? [`${at} spills ${spillBytes} bytes`] : []),
      ...(budget === undefined ? [`${at} has no budget in native/kernels/budgets.json`] : []),
      ...(budget && registers > budget.registers
        ? [`${at} takes ${registers} registers, its budget is ${budget.registers}`]
        : []),
    ];
  });
}

/** @returns {Record<string, Budget>} */
export const readBudgets = () => JSON.parse(readFileSync(join(root, "native", "kernels", "budgets.json"), "utf8"));

/**
 * @param {string} toolkit
 * @param {readonly (Resources & { launcher: string, threads: number })[]} kernels
 * @returns {Usage[]}
 */
function withOccupancy(toolkit, kernels) {
  const folder = mkdtempSync(join(tmpdir(), "papo-occupancy-"));
  try {
    const program = join(folder, "occupancy");
    const source = join(root, "scripts", "lib", "occupancy.cc");
    execFileSync("g++", ["-std=c++17", "-I", join(toolkit, "include"), source, "-o", program]);
    const input = kernels.map(({ sm, threads, registers, sharedBytes }) =>
      [sm, threads, registers, sharedBytes].join(" "),
    );
    const lines = execFileSync(program, { input: input.join("\n"), encoding: "utf8" })
      .trim()
      .split("\n");
    return kernels.map((kernel, index) => {
      const [blocks = 0, occupancy = 0] = (lines[index] ?? "").split(" ").map(Number);
      return { ...kernel, blocks, occupancy };
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {string} folder every .ptxas file below it */
function readResources(folder) {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".cu.o.ptxas"),
  );
  if (files.length === 0) throw new SetupError(`${folder} holds no compiled kernels: run \`npm run build -- --cuda\``);
  return worstOf(
    files.flatMap((file) => {
      const name = /([^/\\]+)\.cu\.o\.ptxas$/.exec(file)?.[1] ?? file;
      return parsePtxas(readFileSync(join(folder, file), "utf8"), name);
    }),
  );
}

/**
 * Prints the table and fails on what is wrong.
 * @param {string} buildDir
 * @param {string} toolkit
 * @param {{ json?: boolean }} options
 * @throws {SetupError}
 */
export function checkKernels(buildDir, toolkit, { json = false } = {}) {
  const budgets = readBudgets();
  const resources = readResources(buildDir);
  const known = resources.map((kernel) => {
    const { launcher = "", threads = 256 } = budgets[kernel.name] ?? {};
    return { ...kernel, launcher, threads };
  });
  const usage = withOccupancy(toolkit, known);
  writeAtomic(join(buildDir, "kernels.json"), JSON.stringify(usage));
  if (json) process.stdout.write(`${JSON.stringify(usage)}\n`);
  else process.stdout.write(`${tableOf(usage)}\n`);
  const problems = problemsOf(resources, budgets);
  if (problems.length > 0) throw new SetupError(`the CUDA kernels do not do:\n  - ${problems.join("\n  - ")}`);
}

/** @param {readonly Usage[]} usage */
function tableOf(usage) {
  const head = "kernel".padEnd(48) + "arch   threads  regs  spills  smem B  blocks/SM  occupancy";
  const rows = usage.map(
    ({ name, sm, threads, registers, spillBytes, sharedBytes, blocks, occupancy }) =>
      `${name.padEnd(48)}sm_${String(sm).padEnd(4)} ${String(threads).padStart(6)} ${String(registers).padStart(5)} ` +
      `${String(spillBytes).padStart(7)} ${String(sharedBytes).padStart(7)} ${String(blocks).padStart(10)} ` +
      `${`${Math.round(100 * occupancy)} %`.padStart(10)}`,
  );
  return [head, ...rows].join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const toolkit = findToolkit();
    if (toolkit === undefined) throw new SetupError("no CUDA 13 toolkit: run `npm run build -- --cuda`");
    checkKernels(join(root, "build-cuda"), toolkit, { json: argv.includes("--json") });
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
