// What happens when nobody can read what a command prints.
import { exitWith } from "./report-error.ts";

let isOptional = false;
let isBroken = false;

/** stdout's error handler: a reader that closed the pipe (`papo ... | head`) ends the command silently. */
export function handleStdoutError(error: NodeJS.ErrnoException): void {
  if (isOptional) {
    if (!isBroken) process.stderr.write(`papo: stdout cannot be written any more: ${error.message}\n`);
    isBroken = true;
  } else if (error.code === "EPIPE") process.exit(0);
  else exitWith(error);
}

/** Runs `work`, which goes on when stdout breaks; that is said once on stderr. */
export async function withOptionalStdout<T>(work: () => Promise<T>): Promise<T> {
  isOptional = true;
  try {
    return await work();
  } finally {
    isOptional = isBroken;
  }
}
