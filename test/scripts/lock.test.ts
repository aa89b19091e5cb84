import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { packageRoot } from "../../lib/native/load.ts";
import { startModule, temporaryFolder } from "../support/processes.ts";

const lockModule = pathToFileURL(join(packageRoot, "scripts/lib/lock.mjs")).href;
const processModule = pathToFileURL(join(packageRoot, "scripts/lib/process.mjs")).href;

/** A program that holds the lock for a while and notes when. */
const holder = (lock: string, diary: string) => `
  import { appendFileSync } from "node:fs";
  import { setTimeout as sleep } from "node:timers/promises";
  import { withLock } from ${JSON.stringify(lockModule)};
  await withLock(async () => {
    appendFileSync(${JSON.stringify(diary)}, "in " + process.pid + "\\n");
    await sleep(200);
    appendFileSync(${JSON.stringify(diary)}, "out " + process.pid + "\\n");
  }, ${JSON.stringify(lock)});`;

test("three setups at once take turns, also when they find the lock of a killed one", async () => {
  const folder = temporaryFolder();
  const [lock, diary] = [join(folder, "lock"), join(folder, "diary")];
  writeFileSync(lock, JSON.stringify({ pid: process.pid, start: "some earlier process of this id" }));
  const code = holder(lock, diary);
  const ends = await Promise.all([1, 2, 3].map(() => startModule(code).ended));
  expect(ends).toEqual([0, 0, 0]);
  const lines = readFileSync(diary, "utf8").trim().split("\n");
  expect(lines).toHaveLength(6);
  for (let i = 0; i < 6; i += 2) expect(lines[i + 1]).toBe(lines[i]?.replace("in", "out"));
  expect(existsSync(lock)).toBe(false);
});

test("a lock file without content, as a kill can leave it, is taken over", async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "lock"), "");
  expect(await startModule(holder(join(folder, "lock"), join(folder, "diary"))).ended).toBe(0);
});

test("SIGTERM ends the running command with its children, frees the lock and exits with 130", async () => {
  const folder = temporaryFolder();
  const lock = join(folder, "lock");
  const child = startModule(`
    import { withLock } from ${JSON.stringify(lockModule)};
    import { runLogged } from ${JSON.stringify(processModule)};
    const onLine = (line) => console.log("grandchild " + line);
    await withLock(
      () => runLogged("sh", ["-c", "sleep 60 & echo $!; wait"], { log: ${JSON.stringify(join(folder, "log"))}, cwd: "/", onLine }),
      ${JSON.stringify(lock)});`);
  await child.printed("grandchild ");
  const grandchild = Number(/grandchild (\d+)/.exec(child.output())?.[1]);
  child.child.kill("SIGTERM");
  expect(await child.ended).toBe(130);
  expect(child.output()).toContain("setup was interrupted");
  expect(existsSync(lock)).toBe(false);
  await expect.poll(() => isRunning(grandchild), { timeout: 10_000 }).toBe(false);
});

function isRunning(pid: number): boolean {
  try {
    // An ended process may stay as a zombie where nobody waits for orphans.
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
