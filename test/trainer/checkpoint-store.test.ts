import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, truncateSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CheckpointError, NativeError } from "../../lib/errors.ts";
import { CheckpointStore, openCheckpoint } from "../../lib/trainer/checkpoint-store.ts";
import { tempFolder } from "../support/temp.ts";

async function openStore(): Promise<CheckpointStore> {
  return CheckpointStore.open(join(tempFolder(), "checkpoints"));
}

/** Writes a checkpoint whose one file holds `text`. */
async function write(store: CheckpointStore, step: number, text = `step ${step}`): Promise<void> {
  await store.write(step, (dir) => writeFile(join(dir, "state.txt"), text));
}

const steps = async (store: CheckpointStore) => (await store.list()).checkpoints.map(({ step }) => step);

test("checkpoints are listed by step number, not by name", async () => {
  const store = await openStore();
  for (const step of [37, 1_000_000, 7, 111]) await write(store, step);
  expect(await steps(store)).toEqual([7, 37, 111, 1_000_000]);
  expect((await store.latest())?.dir).toBe(join(store.dir, "step-1000000"));
});

test("a checkpoint of the same step is replaced by the new one", async () => {
  const store = await openStore();
  await write(store, 7, "old");
  await write(store, 7, "new");
  expect(readFileSync(join(store.dir, "step-000007", "state.txt"), "utf8")).toBe("new");
  expect(readdirSync(store.dir)).toEqual(["step-000007"]);
});

test("a failing fill leaves no trace and passes its own error on", async () => {
  const store = await openStore();
  await write(store, 7);
  const failure = new Error("reward module");
  await expect(
    store.write(8, async (dir) => {
      await writeFile(join(dir, "half.txt"), "x");
      throw failure;
    }),
  ).rejects.toBe(failure);
  expect(readdirSync(store.dir)).toEqual(["step-000007"]);
});

test("a full disk is a CheckpointError that names the intact checkpoint", async () => {
  const store = await openStore();
  await write(store, 7);
  const expected = /step-000008: no space is left on the disk: this checkpoint is not written; step-000007 is intact$/;
  if (existsSync("/dev/full"))
    await expect(store.write(8, () => writeFile("/dev/full", "x"))).rejects.toThrow(expected);
  else console.log("skipped: no /dev/full here");
  await expect(store.write(8, () => Promise.resolve(), { expectedBytes: 2 ** 60 })).rejects.toThrow(expected);
  await expect(store.write(8, () => Promise.resolve(), { expectedBytes: 2 ** 60 })).rejects.toBeInstanceOf(
    CheckpointError,
  );
  expect(await steps(store)).toEqual([7]);
});

test("a native write failure is a CheckpointError, another native error stays what it is", async () => {
  const store = await openStore();
  const io = new NativeError("E_IO", "save", "[save] write: No space left on device");
  await expect(store.write(1, () => Promise.reject(io))).rejects.toThrow(/\[save\] write: No space .* is not written$/);
  const aborted = new NativeError("E_ABORTED", "save", "aborted");
  await expect(store.write(1, () => Promise.reject(aborted))).rejects.toBe(aborted);
});

test("a folder without a manifest, with a missing, a cut or a foreign file is no checkpoint, and says why", async () => {
  const store = await openStore();
  for (const step of [1, 2, 3, 4, 5]) await write(store, step);
  const file = (step: number, name: string) => join(store.dir, `step-00000${step}`, name);
  renameSync(file(2, "manifest.json"), file(2, "other.json"));
  truncateSync(file(3, "state.txt"), 2);
  renameSync(file(4, "state.txt"), file(4, "elsewhere.txt"));
  writeFileSync(file(5, "manifest.json"), '{"version":1,"step":5,"files":{"../step-000001/state.txt":6}}');
  const { checkpoints, broken } = await store.list();
  expect(checkpoints.map(({ step }) => step)).toEqual([1]);
  const messages = broken.map(({ message }) => message).sort();
  expect(messages[0]).toMatch(/step-000002: manifest.json: ENOENT/);
  expect(messages[1]).toMatch(/step-000003: state.txt: expected 6 bytes, got 2$/);
  expect(messages[2]).toMatch(/step-000004: state.txt: expected 6 bytes, got no file$/);
  expect(messages[3]).toMatch(/step-000005: manifest.json: expected files inside the folder/);
  writeFileSync(file(5, "manifest.json"), '{"version":2}');
  await expect(openCheckpoint(join(store.dir, "step-000005"))).rejects.toThrow(/expected \{version: 1, step, files\}/);
});

test("opening removes what a killed writer left and finishes a replacement cut in two", async () => {
  const store = await openStore();
  await write(store, 1);
  await write(store, 2);
  mkdirSync(join(store.dir, ".tmp-step-000003"));
  writeFileSync(join(store.dir, ".tmp-step-000003", "half"), "x");
  renameSync(join(store.dir, "step-000002"), join(store.dir, ".replaced-step-000002")); // killed before the second rename
  mkdirSync(join(store.dir, ".replaced-step-000001")); // killed after it
  expect(await steps(await CheckpointStore.open(store.dir))).toEqual([1, 2]);
  expect(readdirSync(store.dir).sort()).toEqual(["step-000001", "step-000002"]);
});

test.each([
  [-1, 2, [1, 2, 3, 4, 5]],
  [0, 2, [2, 5]],
  [1, 2, [2, 5]],
  [2, 2, [2, 4, 5]],
  [2, 5, [3, 4, 5]],
  [1, undefined, [5]],
  [37, 1, [1, 2, 3, 4, 5]],
])("of steps 1 to 5, saveLimit %i with the best at %s keeps %j", async (saveLimit, bestStep, kept) => {
  const store = await openStore();
  for (const step of [1, 2, 3, 4, 5]) await write(store, step);
  const removed = await store.prune({ saveLimit, bestStep });
  expect(await steps(store)).toEqual(kept);
  expect(removed.length).toBe(5 - kept.length);
});
