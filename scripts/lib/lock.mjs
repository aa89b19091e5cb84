// One setup at a time in a folder. The lock names its owner and the owner's running child; the lock of a process that
// is gone is taken over, after ending a child that outlived it.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { endChildren, endGroup, onChild, processStart } from "./process.mjs";
import { setupDir } from "./project.mjs";

/** @typedef {{ pid: number, start: string | undefined, child?: { pid: number, start: string | undefined } }} Owner */

const pollMs = 300;
/** Two that take over the same dead lock: the loser finds the winner's name in it after this time. */
const settleMs = 100;

/** @param {{ pid: number, start: string | undefined }} owner */
function isAlive(owner) {
  const start = processStart(owner.pid);
  return start !== undefined && start === owner.start;
}

/**
 * @param {string} file
 * @returns {Owner | undefined}
 */
function readOwner(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

/**
 * @param {string} file
 * @param {Owner} me
 * @returns {boolean} whether the lock was created
 */
function tryCreate(file, me) {
  try {
    writeFileSync(file, JSON.stringify(me), { flag: "wx" });
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EEXIST") throw error;
    return false;
  }
}

/**
 * @param {string} file
 * @param {Owner} me
 */
async function acquire(file, me) {
  let told = false;
  for (;;) {
    if (tryCreate(file, me)) {
      await sleep(settleMs);
      if (readOwner(file)?.pid === me.pid) return;
      continue;
    }
    const owner = readOwner(file);
    if (owner !== undefined && isAlive(owner)) {
      if (!told) process.stdout.write(`waiting for another setup of this folder (process ${owner.pid})\n`);
      told = true;
      await sleep(pollMs);
      continue;
    }
    // A lock without readable content is one being written, or the rest of a kill: look again before taking it over.
    if (owner === undefined) {
      await sleep(pollMs);
      if (readOwner(file) !== undefined) continue;
    }
    if (owner?.child && isAlive(owner.child)) endGroup(owner.child.pid);
    rmSync(file, { force: true });
  }
}

/**
 * Runs `action` while holding this folder's lock. Ctrl-C and SIGTERM end the children, free the lock and exit.
 * @template T
 * @param {() => Promise<T>} action
 * @param {string} [file]
 * @returns {Promise<T>}
 */
export async function withLock(action, file = join(setupDir, "lock")) {
  mkdirSync(join(file, ".."), { recursive: true });
  const me = { pid: process.pid, start: processStart(process.pid) };
  await acquire(file, me);
  onChild((pid) => {
    const child = pid === undefined ? undefined : { child: { pid, start: processStart(pid) } };
    writeFileSync(file, JSON.stringify({ ...me, ...child }));
  });
  const stop = () => {
    endChildren();
    rmSync(file, { force: true });
    process.stderr.write("\nsetup was interrupted; the next run goes on from here\n");
    process.exit(130);
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  try {
    return await action();
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
    rmSync(file, { force: true });
  }
}
