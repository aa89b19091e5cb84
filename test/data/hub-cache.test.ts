import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { HubCache } from "../../lib/data/hub-cache.ts";
import type { OpenFile } from "../../lib/data/hub-cache.ts";
import { tempFolder } from "./temp.ts";

const commit = "c".repeat(40);
const content = randomBytes(300_007);
const file = { path: "a.bin", size: content.length, hash: createHash("sha256").update(content).digest("hex") };

function newCache(): HubCache {
  const cache = new HubCache(tempFolder(), { type: "model", id: "org/model", revision: "main" });
  mkdirSync(cache.blobs, { recursive: true });
  return cache;
}

const ignore = () => undefined;
const fetched = (cache: HubCache) => readFileSync(join(cache.snapshot(commit), file.path));

/** The content from `start` on, in two pieces; the second one waits for `gate`. */
const sending =
  (gate: Promise<void>, onFirst: () => void = ignore): OpenFile =>
  (start) =>
    Promise.resolve(
      (async function* () {
        const half = (start + content.length) >> 1;
        yield content.subarray(start, half);
        onFirst();
        await gate;
        yield content.subarray(half);
      })(),
    );

test("two downloads of one file at the same time leave it whole", async () => {
  const cache = newCache();
  let [open, begun] = [ignore, ignore] as (() => void)[];
  const gate = new Promise<void>((resolve) => (open = resolve));
  const first = new Promise<void>((resolve) => (begun = resolve));
  const one = cache.add(commit, file, sending(gate, begun), ignore);
  await first;
  const other = cache.add(commit, file, sending(gate), ignore);
  await new Promise((resolve) => setTimeout(resolve, 50));
  open?.();
  await Promise.all([one, other]);
  expect(fetched(cache).equals(content)).toBe(true);
  expect(readdirSync(cache.blobs)).toEqual([file.hash]);
  expect(readdirSync(cache.snapshot(commit))).toEqual([file.path]);
});

test("what a running process has received is left alone, what a dead one left is completed", async () => {
  const cache = newCache();
  const ended = spawnSync(process.execPath, ["-e", ""]).pid;
  const [live, dead] = [process.pid, ended].map((pid) => join(cache.blobs, `${file.hash}.${pid}.x.incomplete`));
  writeFileSync(live ?? "", content.subarray(0, 7));
  writeFileSync(dead ?? "", content.subarray(0, 100_000));
  const starts: number[] = [];
  const open: OpenFile = (start) => (starts.push(start), sending(Promise.resolve())(start));
  await cache.add(commit, file, open, ignore);
  expect(starts).toEqual([100_000]);
  expect(fetched(cache).equals(content)).toBe(true);
  expect([existsSync(live ?? ""), existsSync(dead ?? "")]).toEqual([true, false]);
});

test("a partial file with other bytes is found out by the hash of the finished file", async () => {
  const cache = newCache();
  writeFileSync(join(cache.blobs, `${file.hash}.incomplete`), Buffer.alloc(1000));
  await expect(cache.add(commit, file, sending(Promise.resolve()), ignore)).rejects.toThrow("with hash");
  expect(readdirSync(cache.blobs)).toEqual([]);
});

test("a download without end stops at the announced size", async () => {
  const cache = newCache();
  let sent = 0;
  const endless: OpenFile = () =>
    Promise.resolve(
      (async function* () {
        for (; sent < 100_000_000; sent += content.length) yield await Promise.resolve(content);
      })(),
    );
  await expect(cache.add(commit, file, endless, ignore)).rejects.toThrow(`expected ${file.size} bytes`);
  expect(sent).toBeLessThan(3 * content.length);
  expect(readdirSync(cache.blobs)).toEqual([]);
});
