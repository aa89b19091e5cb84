// One trainer a run folder: a lock file that says which process holds it. A lock whose process is gone is taken over.
import { randomUUID } from "node:crypto";
import { link, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ConfigError } from "../errors.ts";
import { diskError } from "./durable-file.ts";

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Boot and start time of the process; "" where the system does not tell. A pid alone may have a new owner. */
  readonly startedAt: string;
  /** For people. */
  readonly since: string;
}

/** What is held and how errors name it. */
export interface LockName {
  /** Name of the lock file in the folder. */
  readonly file: string;
  /** The setting that chose the folder. */
  readonly key: string;
}

const runLock: LockName = { file: ".lock", key: "trainer.outDir" };
const unfinishedSuffix = "-new-";
const maxAttempts = 20;
const retryMs = 50;
/** A guard this old belongs to a process that died within the few milliseconds of its work. */
const guardTimeoutMs = 10_000;

/**
 * Holds `dir` against other processes until disposed.
 * @throws {ConfigError} when a living process, or one of another machine, holds it
 */
export async function lockRunFolder(dir: string, name: LockName = runLock): Promise<AsyncDisposable> {
  const path = join(dir, name.file);
  const mine = JSON.stringify(await thisProcess());
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    if (await createLock(path, mine)) {
      await removeUnfinished(path);
      return {
        [Symbol.asyncDispose]: async () => {
          if ((await readText(path)) === mine) await rm(path, { force: true });
        },
      };
    }
    const text = await readText(path);
    if (text === undefined) continue;
    await refuseIfHeld(path, text, name.key);
    await removeStale(path, text);
  }
  throw new ConfigError(name.key, `${dir}: another process is taking this folder at the same time`);
}

/** The living process that holds `dir`, or one of another machine; undefined when nobody does. */
export async function runHolder(dir: string): Promise<Pick<Holder, "pid" | "host" | "since"> | undefined> {
  const holder = parseHolder((await readText(join(dir, runLock.file))) ?? "");
  return holder && (await isAlive(holder)) ? holder : undefined;
}

/** Whole or not at all: the text is complete before the name exists. False when the name is taken. */
async function createLock(path: string, text: string): Promise<boolean> {
  const temporary = path + unfinishedSuffix + randomUUID();
  try {
    await writeFile(temporary, text);
    await link(temporary, path).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") throw error;
      return writeFile(path, text, { flag: "wx" }); // a file system without hard links
    });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw diskError(dirname(path), error);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** What processes left that died while taking the lock. One that still lives finds it held, by its other way. */
async function removeUnfinished(path: string): Promise<void> {
  const prefix = basename(path) + unfinishedSuffix;
  for (const name of await readdir(dirname(path)))
    if (name.startsWith(prefix)) await rm(join(dirname(path), name), { force: true });
}

async function readText(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch(() => undefined);
}

async function refuseIfHeld(path: string, text: string, key: string): Promise<void> {
  const holder = parseHolder(text);
  if (holder === undefined || !(await isAlive(holder))) return;
  const elsewhere = holder.host === hostname() ? "" : `; if it is gone, remove ${path}`;
  throw new ConfigError(
    key,
    `expected a folder that no other process writes; ${dirname(path)} is held by process ${holder.pid} on ${holder.host} since ${holder.since}${elsewhere}`,
  );
}

function parseHolder(text: string): Holder | undefined {
  try {
    const value = JSON.parse(text) as Partial<Holder> | null;
    if (!value || !Number.isSafeInteger(value.pid) || typeof value.host !== "string") return undefined;
    return { pid: value.pid ?? 0, host: value.host, startedAt: value.startedAt ?? "", since: value.since ?? "?" };
  } catch {
    return undefined; // cut short by a power cut: nobody holds it
  }
}

async function isAlive(holder: Holder): Promise<boolean> {
  if (holder.host !== hostname()) return true;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  return holder.startedAt === (await startOf(holder.pid));
}

/** Removes a lock that still reads `staleText`; one process at a time, so that nobody removes the new lock of another. */
async function removeStale(path: string, staleText: string): Promise<void> {
  const guard = `${path}-takeover`;
  try {
    await writeFile(guard, "", { flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw diskError(path, error);
    const info = await stat(guard).catch(() => undefined);
    if (info && Date.now() - info.mtimeMs > guardTimeoutMs) await rm(guard, { force: true });
    await sleep(retryMs);
    return;
  }
  try {
    if ((await readText(path)) === staleText) await rm(path, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
}

async function thisProcess(): Promise<Holder> {
  const startedAt = await startOf(process.pid);
  return { pid: process.pid, host: hostname(), startedAt, since: new Date().toISOString() };
}

/** Linux: the boot's id and the start time in ticks after it. */
async function startOf(pid: number): Promise<string> {
  const boot = await readText("/proc/sys/kernel/random/boot_id");
  const stat = await readText(`/proc/${pid}/stat`);
  // The name in parentheses may hold spaces; the start time is the 20th field after it.
  const ticks = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  return boot === undefined || ticks === undefined ? "" : `${boot.trim()}:${ticks}`;
}
