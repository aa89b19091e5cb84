import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { NativeModuleError } from "../errors.ts";
import type { RuntimeInfo } from "../native/binding.ts";
import { loadNative, nativeFile, packageRoot } from "../native/load.ts";

/** The libtorch that setup built with, as it noted it. */
export interface LibtorchNote {
  readonly dir: string;
  readonly version: string;
  /** "PAPO_LIBTORCH", "prepared by setup" or "Python's torch". */
  readonly how: string;
}

export interface LoadedNative {
  readonly file: string;
  readonly info: RuntimeInfo;
}

export interface NativeFailure {
  readonly problem: string;
  readonly solutions: readonly string[];
}

const probeTimeoutMs = 60_000;

/** Loads the native module here: the loaded file and what it says of itself, or what went wrong. */
export function probeHere(): LoadedNative | NativeFailure {
  try {
    const info = loadNative().runtimeInfo();
    return { file: nativeFile() ?? "", info };
  } catch (error) {
    if (!(error instanceof NativeModuleError)) throw error;
    const problem = ["the native module does not load", ...error.attempts].join("\n    ");
    return { problem, solutions: error.solutions };
  }
}

/**
 * The same in another process: a module compiled for another processor ends its process by an illegal instruction.
 */
export async function probeNative(): Promise<LoadedNative | NativeFailure> {
  const code = "const { probeHere } = await import(process.argv[1]); console.log(JSON.stringify(probeHere()));";
  const args = ["--input-type=module", "-e", code, import.meta.url];
  try {
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: probeTimeoutMs });
    return JSON.parse(stdout) as LoadedNative | NativeFailure;
  } catch (error) {
    const { signal, message } = error as { signal?: string; message: string };
    const problem = `loading the native module ended its process: ${signal ?? message}`;
    return {
      problem,
      solutions: ["run `npm run build:native` in papo's folder: it builds the module for this machine"],
    };
  }
}

/** What setup noted about libtorch; undefined where it has not run, as with a prebuilt module. */
export function libtorchNote(root = packageRoot): LibtorchNote | undefined {
  const file = join(root, ".setup", "libtorch.json");
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as LibtorchNote) : undefined;
}
