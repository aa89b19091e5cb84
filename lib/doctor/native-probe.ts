import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { NativeModuleError } from "../errors.ts";
import type { RuntimeInfo } from "../native/binding.ts";
import type { Libtorch } from "../native/libtorch.ts";
import { loadNative, nativeOrigin } from "../native/load.ts";

export interface LoadedNative {
  readonly file: string;
  readonly info: RuntimeInfo;
  /** Of a prebuilt module. */
  readonly libtorch?: Libtorch | undefined;
  /** What came before it in the order and was not loaded, and why. */
  readonly passedOver: readonly string[];
}

export interface NativeFailure {
  readonly problem: string;
  readonly solutions: readonly string[];
}

const probeTimeoutMs = 60_000;

/**
 * Loads the native module here: the loaded file and what it says of itself, or what went wrong.
 * @public called by the text that probeNative runs
 */
export function probeHere(): LoadedNative | NativeFailure {
  try {
    const info = loadNative().runtimeInfo();
    const { file = "", libtorch, passedOver = [] } = nativeOrigin() ?? {};
    return { file, info, libtorch, passedOver };
  } catch (error) {
    if (!(error instanceof NativeModuleError)) throw error;
    const problem = ["the native module does not load", ...error.attempts].join("\n    ");
    return { problem, solutions: solutionsFor(error) };
  }
}

/** This is the doctor already, and a file named by hand may be the wrong one. */
function solutionsFor({ solutions }: NativeModuleError): string[] {
  const others = solutions.filter((solution) => !solution.includes("papo doctor"));
  return process.env.PAPO_NATIVE ? ["unset PAPO_NATIVE, or let it name a file that loads", ...others] : others;
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
