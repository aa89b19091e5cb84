// How a failed command ends: the user's errors in one short line, everything else as a bug with its stack.
import { inspect } from "node:util";
import { CommanderError } from "@commander-js/extra-typings";
import {
  CheckpointError,
  CollapseError,
  ConfigError,
  DataError,
  NativeError,
  NativeModuleError,
  NonFiniteError,
  ResultsError,
  RewardError,
  ServerError,
} from "../errors.ts";

/** A user's error, a wrong command line, the collapse guard's stop, a bug (sysexits' EX_SOFTWARE). */
const exitCodes = { userError: 1, usage: 2, collapse: 3, bug: 70 } as const;

const userErrors = [
  CheckpointError,
  ConfigError,
  DataError,
  NativeModuleError,
  NonFiniteError,
  ResultsError,
  RewardError,
  ServerError,
];
/** Native failures that the machine or the run causes; the other codes mean that papo called its own core wrongly. */
const userNativeCodes = new Set(["E_ABORTED", "E_OOM", "E_IO", "E_CUDA", "E_NONFINITE"]);
/** System errors that the machine causes, wherever they surface. */
const userSystemCodes = new Set(["ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "EMFILE", "ENFILE"]);

/** V8's words for memory that it asked the system for in vain. */
function isOutOfMemory(error: Error): boolean {
  return error instanceof RangeError && /out of memory|allocation failed/iu.test(error.message);
}

/** Of making a folder with its parents, Node.js says ENOENT where the file system is read-only. */
function isSystemError({ code, syscall }: NodeJS.ErrnoException): boolean {
  return userSystemCodes.has(code ?? "") || (code === "ENOENT" && syscall === "mkdir");
}

function isUserError(error: Error): boolean {
  if (error instanceof NativeError) return userNativeCodes.has(error.code);
  if (userErrors.some((known) => error instanceof known)) return true;
  return error.name === "AbortError" || isOutOfMemory(error) || isSystemError(error);
}

/**
 * What to print on stderr and the exit code for an error that ended a command.
 * A CommanderError has printed its own line already.
 */
export function describeFailure(error: unknown): { text: string; exitCode: number } {
  if (error instanceof CommanderError) return { text: "", exitCode: error.exitCode === 0 ? 0 : exitCodes.usage };
  if (error instanceof CollapseError) return { text: `papo: ${error.message}\n`, exitCode: exitCodes.collapse };
  if (error instanceof Error && isUserError(error)) {
    return { text: `papo: ${error.message}\n`, exitCode: exitCodes.userError };
  }
  const text = `${inspect(error)}\npapo: this is a bug in papo; please report it with the lines above\n`;
  return { text, exitCode: exitCodes.bug };
}

/** Prints the failure and ends the process. */
export function exitWith(error: unknown): never {
  const { text, exitCode } = describeFailure(error);
  process.stderr.write(text);
  process.exit(exitCode);
}
