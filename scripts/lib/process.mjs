// Child processes. Each long one is the head of its own process group, so that Ctrl-C, SIGTERM and the takeover of a
// killed setup's lock end everything below it.
import { spawn, spawnSync } from "node:child_process";
import { closeSync, createWriteStream, mkdirSync, openSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { SetupError } from "./project.mjs";

/** @type {Set<number>} */
const runningGroups = new Set();
/** @type {((pid: number | undefined) => void)[]} */
const watchers = [];

/** @param {(pid: number | undefined) => void} watcher told of each long child's start (its id) and end (undefined) */
export function onChild(watcher) {
  watchers.push(watcher);
}

/** Ends the running children with their groups. */
export function endChildren() {
  for (const pid of runningGroups) endGroup(pid);
}

/** @param {number} pid the head of a process group; one that is gone already is fine */
export function endGroup(pid) {
  try {
    process.kill(-pid, "SIGTERM");
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== "ESRCH") throw error;
  }
}

/**
 * The output of a short command; undefined when it is missing, fails or takes over a minute.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ input?: string, env?: NodeJS.ProcessEnv, cwd?: string }} [options]
 * @returns {string | undefined}
 */
export function capture(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: "utf8", timeout: 60_000, ...options });
  return result.status === 0 ? result.stdout : undefined;
}

/**
 * When a process started, as an opaque text; undefined when there is none of that id. A reused id differs.
 * @param {number} pid
 * @returns {string | undefined}
 */
export function processStart(pid) {
  if (process.platform !== "linux") return capture("ps", ["-o", "lstart=", "-p", String(pid)])?.trim();
  try {
    // Field 22 of proc(5)'s stat; the second field, in brackets, may hold spaces.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/**
 * Runs a command with its whole output in a log file.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ log: string, cwd: string, env?: NodeJS.ProcessEnv, onLine?: (line: string) => void }} options
 * @returns {Promise<void>}
 * @throws {SetupError} with the telling lines of the output when it fails
 */
export async function runLogged(command, args, { log, cwd, env, onLine }) {
  mkdirSync(dirname(log), { recursive: true });
  closeSync(openSync(log, "w"));
  const file = createWriteStream(log, { flags: "a" });
  const child = spawn(command, args, {
    cwd,
    env: env ?? process.env,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const { pid } = child;
  if (pid !== undefined) {
    runningGroups.add(pid);
    for (const watcher of watchers) watcher(pid);
  }
  /** @type {string[]} */
  const lines = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      onLine?.(line);
      if (line.startsWith("Progress ")) return; // pip's, by the hundred
      lines.push(line);
      file.write(`${line}\n`);
    });
  }
  const failure = await new Promise((resolve) => {
    child.on("error", (error) => resolve(error.message));
    child.on("close", (code, signal) => resolve(code === 0 ? undefined : `ended with ${signal ?? `code ${code}`}`));
  });
  if (pid !== undefined) runningGroups.delete(pid);
  for (const watcher of watchers) watcher(undefined);
  await new Promise((resolve) => file.end(resolve));
  if (failure === undefined) return;
  throw new SetupError(
    `${[command, ...args].join(" ")}\n${failure}:\n${tellingLines(lines)}\nThe whole output: ${log}`,
  );
}

/**
 * The part of a failed command's output worth showing: up to 40 lines from the first error on, else the last 20.
 * @param {readonly string[]} lines
 */
export function tellingLines(lines) {
  const first = lines.findIndex((line) => /^FAILED:|\berror\b[: ]|\bERR!|^ERROR\b|CMake Error/i.test(line));
  return (first < 0 ? lines.slice(-20) : lines.slice(first, first + 40)).join("\n");
}
