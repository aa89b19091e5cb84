// Real processes for tests: the built command line, the scripts, small programs.
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { packageRoot } from "../../lib/native/load.ts";

export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface RunOptions {
  readonly cwd?: string;
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs Node.js with the arguments to its end. */
export function runNode(args: readonly string[], { cwd = packageRoot, env = {} }: RunOptions = {}): Finished {
  // A process that hangs is a failure, not a test run without end.
  const timeout = 1_200_000;
  return spawnSync(process.execPath, args, { cwd, env: { ...process.env, ...env }, encoding: "utf8", timeout });
}

/** Runs the built command line; `npm run build:ts` has to have run. */
export function runPapo(args: readonly string[], options: RunOptions = {}): Finished {
  return runNode([join(packageRoot, "dist", "cli", "main.js"), ...args], options);
}

/** As {@link runPapo}, for what talks to a server of this process. */
export async function runPapoAsync(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Finished> {
  const child = spawn(process.execPath, [join(packageRoot, "dist", "cli", "main.js"), ...args], { env: { ...process.env, ...env } }); // prettier-ignore
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  return await new Promise((resolve) => child.on("close", (status) => { resolve({ status, stdout, stderr }); })); // prettier-ignore
}

/** Starts a module given as text; `output` grows while it runs, `ended` gives its exit code or signal. */
export function startModule(code: string, { cwd = packageRoot, env = {} }: RunOptions = {}) {
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], { cwd, env: { ...process.env, ...env } });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const ended = new Promise<number | string | null>((resolve) => {
    child.on("close", (status, signal) => {
      resolve(status ?? signal);
    });
  });
  /** Resolves when the output holds the text; rejects when the process ends without it. */
  const printed = async (text: string): Promise<void> => {
    while (!output.includes(text)) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`ended without "${text}": ${output}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  return { child, ended, printed, output: () => output };
}

/** A folder that is removed after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "papo-test-"));
  onTestFinished(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** A copy of the project's scripts in a folder of their own: a project in which nothing is set up. */
export function bareProject(): string {
  const folder = temporaryFolder();
  for (const name of ["scripts", "package.json", "package-lock.json"]) {
    cpSync(join(packageRoot, name), join(folder, name), { recursive: true });
  }
  return folder;
}
