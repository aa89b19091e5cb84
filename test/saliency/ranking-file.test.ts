import { appendFileSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CheckpointError } from "../../lib/errors.ts";
import type { SaliencyRanking } from "../../lib/native/binding.ts";
import { RankingFile } from "../../lib/saliency/ranking-file.ts";
import { tempFolder } from "../support/temp.ts";

const identity = { fingerprint: "0123456789abcdef", model: "/models/dinov2", layers: [6, 7, 8, 9] };
const key = (digit: number) => digit.toString(16).repeat(64);
const newPath = () => join(tempFolder(), "rows.saliency");

/** The patches backwards. */
function ranking(rows: number, cols: number): SaliencyRanking {
  return { rows, cols, order: Uint16Array.from({ length: rows * cols }, (_, rank) => rows * cols - 1 - rank) };
}

async function withFile<T>(path: string, use: (file: RankingFile) => Promise<T>): Promise<T> {
  await using file = await RankingFile.open(path, identity);
  return await use(file);
}

/** Three records: of 15, 1 and 65,536 patches. */
async function threeRecords(): Promise<string> {
  const path = newPath();
  await withFile(path, async (file) => {
    await file.append(key(1), ranking(3, 5));
    await file.append(key(2), ranking(1, 1));
    await file.append(key(3), ranking(256, 256));
    await file.sync();
  });
  return path;
}

test("what was appended is found, in the same process and the next", async () => {
  const path = await threeRecords();
  await withFile(path, async (file) => {
    expect([file.size, file.numCutBytes]).toEqual([3, 0]);
    expect(await file.find(key(1))).toEqual(ranking(3, 5));
    expect(await file.find(key(3))).toEqual(ranking(256, 256));
    expect([file.has(key(2)), file.has(key(4)), await file.find(key(4))]).toEqual([true, false, undefined]);
    await file.append(key(4), ranking(2, 2));
    expect(await file.find(key(4))).toEqual(ranking(2, 2));
  });
  // The layout, by hand: a line, then key, rows, cols, order, CRC-32.
  const bytes = readFileSync(path);
  const start = bytes.indexOf("\n") + 1;
  expect(JSON.parse(bytes.toString("utf8", 0, start))).toEqual({ format: "papo saliency", version: 1, ...identity });
  expect(bytes.length - start).toBe(4 * 40 + 2 * (15 + 1 + 65_536 + 4));
  expect([bytes.toString("hex", start, start + 32), bytes.readUInt16LE(start + 32), bytes.readUInt16LE(start + 34), bytes.readUInt16LE(start + 36)]).toEqual([key(1), 3, 5, 14]); // prettier-ignore
});

test("cut anywhere in its last record, a file keeps all others and takes the lost one again", async () => {
  const whole = await threeRecords();
  const bytes = readFileSync(whole);
  const last = bytes.length - (40 + 2 * 65_536);
  for (const cut of [last + 1, last + 31, last + 36, last + 1000, bytes.length - 1]) {
    const path = newPath();
    writeFileSync(path, bytes.subarray(0, cut));
    await withFile(path, async (file) => {
      expect([file.size, file.numCutBytes, file.has(key(3))]).toEqual([2, cut - last, false]);
      await file.append(key(3), ranking(256, 256));
    });
    expect(readFileSync(path).equals(bytes)).toBe(true);
  }
});

test("a changed byte ends the file where it is, and rubbish at the end is cut off", async () => {
  const path = await threeRecords();
  const bytes = readFileSync(path);
  const second = bytes.indexOf(Buffer.from(key(2), "hex"));
  bytes[second + 36] = 1;
  writeFileSync(path, bytes);
  await withFile(path, (file) => {
    expect([file.size, file.has(key(1)), file.has(key(3))]).toEqual([1, true, false]);
    return Promise.resolve();
  });
  const rubbish = await threeRecords();
  const { size } = statSync(rubbish);
  // A grid of 65,535 x 65,535 patches would be 8 GB: refused by its sizes, not read.
  appendFileSync(rubbish, Buffer.alloc(5000, 0xff));
  await withFile(rubbish, async (file) => {
    expect([file.size, file.numCutBytes]).toEqual([3, 5000]);
    await file.append(key(4), ranking(2, 2));
  });
  expect(statSync(rubbish).size).toBe(size + 48);
});

test("a file of another source, version or kind is refused and left as it is", async () => {
  const path = await threeRecords();
  const before = readFileSync(path);
  const other = { fingerprint: "fedcba9876543210", model: "/models/other", layers: [5] };
  const failure = await RankingFile.open(path, other).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(CheckpointError);
  expect(String(failure)).toContain(
    "stale: it is of /models/dinov2, layers 6,7,8,9 (0123456789abcdef), not of /models/other, layers 5 (fedcba9876543210)",
  );
  expect(readFileSync(path).equals(before)).toBe(true);
  const version = newPath();
  writeFileSync(version, JSON.stringify({ format: "papo saliency", version: 2, ...identity }) + "\n");
  await expect(RankingFile.open(version, identity)).rejects.toThrow("expected version 1 of the file, got 2");
  for (const text of ["", "{}\n", '{"problem": "1 + 1"}\n', "not JSON\n", "x".repeat(100_000), "null\n"]) {
    const foreign = newPath();
    writeFileSync(foreign, text);
    await expect(RankingFile.open(foreign, identity)).rejects.toThrow("expected a file of papo saliency, got another");
    expect(readFileSync(foreign, "utf8")).toBe(text);
  }
  await expect(RankingFile.open(tempFolder(), identity)).rejects.toThrow("expected a file");
  await expect(RankingFile.open(join(path, "below"), identity)).rejects.toThrow();
});

test("a file that changes under its reader is told, not believed", async () => {
  const path = await threeRecords();
  await withFile(path, async (file) => {
    truncateSync(path, 400);
    await expect(file.find(key(3))).rejects.toThrow(/the record at byte \d+ has changed/u);
  });
});
