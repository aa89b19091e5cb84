import { papoVersion } from "../version.ts";
import type { RuntimeInfo } from "../native/binding.ts";
import { isClone, packageRoot } from "../native/load.ts";
import { gitState } from "../trainer/system-info.ts";
import type { GitState } from "../trainer/system-info.ts";
import { diagnose, gigabytes } from "./diagnose.ts";
import { readMachine } from "./machine.ts";
import type { Machine } from "./machine.ts";
import { type LibtorchNote, libtorchNote, type NoLibtorch, searchLibtorch } from "./libtorch.ts";
import { probeNative } from "./native-probe.ts";
import type { LoadedNative, NativeFailure } from "./native-probe.ts";

/** What `papo doctor --json` prints, with the diagnoses beside it. */
export interface Findings {
  readonly papo: string;
  readonly node: string;
  readonly platform: string;
  /** Of papo's own folder; undefined where it is no clone. */
  readonly git: GitState | undefined;
  /** That the module was loaded or built with, or would be; undefined where nobody noted it. */
  readonly libtorch: LibtorchNote | NoLibtorch | undefined;
  readonly native: LoadedNative | NativeFailure;
  readonly machine: Machine;
}

export interface Diagnosis {
  /** papo does not run without it. */
  readonly needed: boolean;
  readonly problem: string;
  readonly solutions: readonly string[];
}

async function examine(): Promise<Findings> {
  const native = await probeNative();
  return {
    papo: papoVersion(),
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    git: await gitState(packageRoot),
    libtorch: await libtorchOf(native),
    native,
    machine: await readMachine(process.cwd()),
  };
}

async function libtorchOf(native: LoadedNative | NativeFailure): Promise<Findings["libtorch"]> {
  // An installed package's failure says itself where the loader has looked.
  if ("problem" in native) return isClone(packageRoot) ? await searchLibtorch() : undefined;
  return native.libtorch ?? libtorchNote(packageRoot, native.info.cuda !== undefined);
}

/** The findings as `[name, value]` lines. */
export function describeFindings({
  papo,
  node,
  platform,
  git,
  libtorch,
  native,
  machine,
}: Findings): [string, string][] {
  const commit = git && ` (git ${git.commit.slice(0, 12)}${git.dirty ? ", changed" : ""})`;
  const built = "info" in native ? native.info : undefined;
  const { diskFree } = machine;
  return [
    ["papo", `${papo}${commit ?? ""}`],
    ["Node.js", `${node}, ${platform}`],
    ["native", "file" in native ? native.file : "does not load"],
    ...("file" in native ? native.passedOver.map((text): [string, string] => ["", `not: ${text}`]) : []),
    ["built by", built ? `${built.compiler}, for ${built.vectorUnit}` : "unknown"],
    ["libtorch", describeLibtorch(libtorch) ?? built?.torchVersion ?? "unknown"],
    ["threads", built ? `${built.numThreads}, libtorch uses ${built.cpuCapability}` : "unknown"],
    ["products", built ? `float32 by ${built.floatProduct}, bfloat16 by ${built.bfloat16Product}` : "unknown"],
    ["processor", `${machine.processor}, cores: ${machine.cores}, ${machine.features.join(" ")}`],
    ["memory", `${gigabytes(machine.memoryTotal)}, available: ${gigabytes(machine.memoryAvailable)}`],
    ["disk", diskFree === undefined ? "unknown" : `${gigabytes(diskFree)} free in ${process.cwd()}`],
    ["CUDA", describeCuda(machine.gpus, built?.cuda)],
  ];
}

function describeCuda(gpus: readonly string[], build: RuntimeInfo["cuda"]): string {
  const found = gpus.length > 0 ? gpus.join("; ") : "no GPU found (none is needed)";
  if (build === undefined) return `${found}; this build is for the CPU`;
  const version = (value: number): string => `${Math.floor(value / 1000)}.${(value % 1000) / 10}`;
  const driver = build.driver > 0 ? `, driver for CUDA ${version(build.driver)}` : "";
  const usable = build.problem === "" ? `devices: ${build.numDevices}` : build.problem;
  return `${found}; built with CUDA ${version(build.built)}${driver}, ${usable}`;
}

function describeLibtorch(libtorch: Findings["libtorch"]): string | undefined {
  if (libtorch === undefined) return undefined;
  if ("tried" in libtorch) return `none found: ${libtorch.tried.join("; ")}`;
  return `${libtorch.version} in ${libtorch.dir} (${libtorch.how})`;
}

function describeDiagnosis({ problem, solutions }: Diagnosis): string {
  return [`- ${problem}`, "  Possible solutions:", ...solutions.map((solution) => `    - ${solution}`)].join("\n");
}

/**
 * Prints what papo runs on and what is wrong with it.
 * @returns the exit code: 1 when something that papo needs is wrong
 */
export async function runDoctor(options: { json: boolean }): Promise<number> {
  const findings = await examine();
  const problems = diagnose(findings);
  if (options.json) {
    console.log(JSON.stringify({ ...findings, problems }, undefined, 2));
  } else {
    for (const [name, value] of describeFindings(findings)) console.log(`${name.padEnd(11)}${value}`);
    console.log(problems.length === 0 ? "\nNothing is wrong." : "\nWhat is wrong:");
    for (const problem of problems) console.log(describeDiagnosis(problem));
  }
  return problems.some(({ needed }) => needed) ? 1 : 0;
}
