// Parses the command line and does what it says; whatever ends it early is told on stderr and by the exit code.
import { handleStdoutError } from "./broken-output.ts";
import { createCommandLine } from "./commands.ts";
import { exitWith } from "./report-error.ts";

/** @param argv as `process.argv` */
export async function runCommandLine(argv: readonly string[]): Promise<void> {
  process.on("uncaughtException", exitWith);
  process.on("unhandledRejection", exitWith);
  process.stdout.on("error", handleStdoutError);
  process.stderr.on("error", () => undefined); // there is nowhere left to say so
  await createCommandLine().parseAsync(argv);
}
