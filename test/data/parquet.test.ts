import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import { expect, test } from "vitest";
import { ByteCache } from "../../lib/data/byte-cache.ts";
import { openDataset } from "../../lib/data/dataset.ts";
import { readImageHeader } from "../../lib/data/image-header.ts";
import { ParquetFile } from "../../lib/data/parquet-file.ts";
import { selectRows } from "../../lib/data/select.ts";
import { DataError } from "../../lib/errors.ts";
import { dataFolder, isThere, listFiles, questionPictures, questionSets } from "../support/data.ts";
import { childRunner } from "./child.ts";
import { jsonLines, tempFolder, tinyPng } from "./temp.ts";

type Columns = Parameters<typeof parquetWriteBuffer>[0]["columnData"];

const text = (name: string, data: unknown[]) => ({ name, data, type: "STRING" as const });

function writeParquet(columns: Columns, rowGroupSize = 1000): Uint8Array {
  return new Uint8Array(parquetWriteBuffer({ columnData: columns, rowGroupSize }));
}

/** list<struct<bytes, path>>, as the hub's image data sets have it. */
function writeImageSet(images: unknown[], rowGroupSize = 1000): Uint8Array {
  const schema = [
    { name: "root", num_children: 3 },
    { name: "images", repetition_type: "OPTIONAL" as const, num_children: 1, converted_type: "LIST" as const },
    { name: "list", repetition_type: "REPEATED" as const, num_children: 1 },
    { name: "element", repetition_type: "OPTIONAL" as const, num_children: 2 },
    { name: "bytes", repetition_type: "OPTIONAL" as const, type: "BYTE_ARRAY" as const },
    {
      name: "path",
      repetition_type: "OPTIONAL" as const,
      type: "BYTE_ARRAY" as const,
      converted_type: "UTF8" as const,
    },
    {
      name: "problem",
      repetition_type: "OPTIONAL" as const,
      type: "BYTE_ARRAY" as const,
      converted_type: "UTF8" as const,
    },
    {
      name: "answer",
      repetition_type: "OPTIONAL" as const,
      type: "BYTE_ARRAY" as const,
      converted_type: "UTF8" as const,
    },
  ];
  const problems = images.map((list) => "<image>".repeat(Array.isArray(list) ? list.length : 0) + "p");
  const columnData = [
    { name: "images", data: images },
    { name: "problem", data: problems },
    { name: "answer", data: images.map((_, row) => String(row)) },
  ];
  return new Uint8Array(parquetWriteBuffer({ schema, columnData, rowGroupSize }));
}

const openOne = (bytes: Uint8Array, options = {}) =>
  openDataset(join(tempFolder({ "set.parquet": bytes, "p.png": tinyPng }), "set.parquet"), options);

test("rows of several row groups are read in any order", async () => {
  const numbers = Array.from({ length: 37 }, (_, index) => index);
  const columns = [text("problem", numbers.map((n) => `p${n}`)), text("answer", numbers.map((n) => `a${n}`))]; // prettier-ignore
  const dataset = await openOne(writeParquet(columns, 7));
  expect(dataset.length).toBe(37);
  for (const index of [36, 0, 7, 6, 35, 20])
    expect(await dataset.read(index)).toMatchObject({
      problem: `p${index}`,
      answer: `a${index}`,
      row: index + 1,
      id: `set.parquet:${index + 1}`,
    });
});

test("embedded pictures stay their bytes, paths are resolved, and no picture is no picture", async () => {
  const images = [
    [{ bytes: tinyPng, path: "gone.png" }, { bytes: Uint8Array.of(0xff, 0xd8, 0xfe, 0x00) }],
    [{ bytes: Buffer.from("bytes that could be text"), path: null }],
    [],
    [{ path: "p.png" }],
    null,
    [{}],
  ];
  const dataset = await openOne(writeImageSet(images));
  const read = async (index: number) => (await dataset.read(index)).images;
  expect(await read(0)).toEqual([{ bytes: new Uint8Array(tinyPng) }, { bytes: Uint8Array.of(0xff, 0xd8, 0xfe, 0x00) }]);
  expect(await read(1)).toEqual([{ bytes: new Uint8Array(Buffer.from("bytes that could be text")) }]);
  expect(await read(2)).toEqual([]);
  expect(await read(3)).toEqual([{ path: expect.stringMatching(/p\.png$/) as string }]);
  expect(await read(4)).toEqual([]);
  await expect(read(5)).rejects.toThrow("set.parquet:6: images: expected a path or {bytes, path}");
});

test("integers, booleans and unmarked text become text; other columns keep plain values", async () => {
  const columns = [
    { name: "problem", data: [Buffer.from("größe")], type: "BYTE_ARRAY" as const },
    { name: "answer", data: [2n ** 60n], type: "INT64" as const },
    { name: "id", data: [7], type: "INT32" as const },
    { name: "big", data: [2n ** 60n], type: "INT64" as const },
    { name: "small", data: [5n], type: "INT64" as const },
    { name: "when", data: [new Date(0)], type: "TIMESTAMP" as const },
  ];
  expect(await (await openOne(writeParquet(columns))).read(0)).toMatchObject({
    id: "7",
    problem: "größe",
    answer: "1152921504606846976",
    extra: { big: "1152921504606846976", small: 5, when: "1970-01-01T00:00:00.000Z" },
  });
});

test("text that is not UTF-8 spoils its own row only", async () => {
  const data = [Buffer.from("ok"), Buffer.from([0xff, 0xfe])];
  const dataset = await openOne(writeParquet([text("problem", data), text("answer", ["1", "2"])]));
  expect((await dataset.read(0)).problem).toBe("ok");
  await expect(dataset.read(1)).rejects.toThrow(
    "set.parquet:2: problem: expected text or a number, got bytes that are not",
  );
});

test("a split column chooses rows", async () => {
  const split = ["train", "test", "train", "test", "train"];
  const columns = [text("problem", split), text("answer", ["0", "1", "2", "3", "4"]), text("split", split)];
  const folder = tempFolder({ "set.parquet": writeParquet(columns, 2) });
  const dataset = await openDataset(`${join(folder, "set.parquet")}@test`);
  expect(await Promise.all([0, 1].map(async (index) => (await dataset.read(index)).answer))).toEqual(["1", "3"]);
});

test("where a folder has its rows as parquet and as JSONL, they are read once", async () => {
  const columns = [text("problem", ["p"]), text("answer", ["1"])];
  const folder = tempFolder({ "a.parquet": writeParquet(columns), "a.jsonl": jsonLines([{}, {}, {}]) });
  expect((await openDataset(folder)).length).toBe(1);
});

test("a row group is decoded once for many reads and again after its place was taken", async () => {
  let loads = 0;
  const load = (bytes: number) => () => Promise.resolve({ value: ++loads, bytes });
  const cache = new ByteCache<number>(100);
  expect(await Promise.all([cache.get("a", load(60)), cache.get("a", load(60))])).toEqual([1, 1]);
  expect(await cache.get("b", load(40))).toBe(2);
  expect(await cache.get("a", load(60))).toBe(1);
  expect(await cache.get("c", load(40))).toBe(3);
  expect(await cache.get("a", load(60))).toBe(1);
  expect(await cache.get("b", load(500))).toBe(4);
  expect(await cache.get("b", load(500))).toBe(4);
  await expect(cache.get("d", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(await cache.get("d", load(1))).toBe(5);
});

test("a broken row group is an error of each of its rows and leaves the others", async () => {
  const numbers = Array.from({ length: 6 }, (_, index) => String(index));
  const bytes = writeParquet([text("problem", numbers), text("answer", numbers)], 3);
  bytes.fill(0xee, 4, 30);
  const dataset = await openOne(bytes);
  for (const index of [0, 1, 2]) await expect(dataset.read(index)).rejects.toThrow(`set.parquet:${index + 1}: `);
  expect((await dataset.read(3)).answer).toBe("3");
});

test.each([
  ["nothing", new Uint8Array(0), "does not end with PAR1"],
  ["text", Buffer.from("hello, this is not parquet"), "does not end with PAR1"],
  ["an encrypted file", Buffer.from("PAR1....................PARE"), "encrypted"],
  [
    "a footer longer than the file",
    Buffer.from("PAR1....\xff\xff\xff\x7fPAR1", "latin1"),
    "it claims 2147483647 bytes",
  ],
  ["a footer of zeros", Buffer.from("PAR1\0\0\0\0\x04\0\0\0PAR1", "latin1"), "broken parquet footer"],
])("%s named .parquet is one clear error", async (_, bytes, message) => {
  const failed = openOne(bytes);
  await expect(failed).rejects.toThrow(DataError);
  await expect(failed).rejects.toThrow(message);
});

test("a run that claims 2^31 values is refused at once instead of being written out", async () => {
  const answers = Array.from({ length: 5000 }, (_, index) => String(index % 3));
  const bytes = writeParquet([text("problem", answers), { ...text("answer", answers), nullable: true }], 5000);
  const honest = bytes.slice();
  let refused = 0;
  // Each place in turn becomes the header of a run of 2^30 values.
  for (let at = 4; at < bytes.length - 5; at += 1) {
    const hostile = honest.slice();
    hostile.set([0x80, 0x80, 0x80, 0x80, 0x08], at);
    refused += await readAll(hostile);
  }
  expect(refused).toBeGreaterThan(0);
});

async function readAll(bytes: Uint8Array): Promise<number> {
  const file = join(tempFolder(), "x.parquet");
  writeFileSync(file, bytes);
  try {
    const opened = await ParquetFile.open(file, new ByteCache(1e6));
    for (let index = 0; index < opened.length; index += 997) await opened.read(index);
    return 0;
  } catch (error) {
    expect(error).toBeInstanceOf(DataError);
    return 1;
  }
}

test("a file that became shorter is an error", async () => {
  const bytes = writeParquet([text("problem", ["p"]), text("answer", ["1"])]);
  const folder = tempFolder({ "set.parquet": bytes });
  const dataset = await openDataset(join(folder, "set.parquet"));
  writeFileSync(join(folder, "set.parquet"), "PAR1");
  await expect(dataset.read(0)).rejects.toThrow("the file became shorter");
});

test("every parquet set of the data folder is read whole, its pictures intact", async () => {
  const pictures = qaPictures();
  let numFound = 0;
  for (const file of parquetFiles("parquet")) {
    const selected = await selectRows(await openDataset(file));
    expect(selected.skips.skipped, file).toBe(0);
    for (let index = 0; index < selected.length; index += 1) {
      const { problem, images } = await selected.read(index);
      expect(images).toHaveLength(problem.split("<image>").length - 1);
      for (const image of images) {
        await expect(readImageHeader(image, { file, row: index + 1 })).resolves.toBeDefined();
        if ("bytes" in image && pictures.has(Buffer.from(image.bytes).toString("base64"))) numFound += 1;
      }
    }
  }
  console.log(`${numFound} embedded pictures are byte-identical to picture files of the question sets`);
});

/** The parquet files of a data folder; none after printing why. */
function parquetFiles(name: string): string[] {
  const folder = dataFolder(name);
  return folder === undefined ? [] : listFiles(folder).filter((file) => file.endsWith(".parquet"));
}

/** The bytes of all picture files of the question sets. */
function qaPictures(): Set<string> {
  const files = questionSets().flatMap(({ file, rows }) => rows.flatMap((row) => questionPictures(file, row)));
  return new Set([...new Set(files)].filter(isThere).map((file) => readFileSync(file).toString("base64")));
}

const probe = `
  import { ByteCache } from "./lib/data/byte-cache.js";
  import { ParquetFile } from "./lib/data/parquet-file.js";
  import { DataError } from "./lib/errors.js";
  for (const path of process.argv.slice(2)) {
    const start = performance.now();
    let outcome = "read";
    try {
      const file = await ParquetFile.open(path, new ByteCache(1e9));
      for (let index = 0; index < file.length; index += 1) await file.read(index);
    } catch (error) {
      outcome = error instanceof DataError ? "DataError" : String(error.stack);
    }
    console.log(JSON.stringify({ path, outcome, seconds: (performance.now() - start) / 1000 }));
  }
`;

test("every broken parquet file of the data folder is refused or read, and every valid one read, in a child", async () => {
  const valid = parquetFiles(join("bad", "parquet_valid"));
  const broken = dataFolder(join("bad", "parquet"));
  const files = [...(broken === undefined ? [] : listFiles(broken)), ...valid];
  if (files.length === 0) return;
  const { stdout, stderr, status } = await childRunner()(probe, files);
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  const outcomes = stdout.trim().split("\n").map((line) => JSON.parse(line) as { path: string; outcome: string }); // prettier-ignore
  expect(outcomes.map(({ path }) => path)).toEqual(files);
  for (const { path, outcome } of outcomes)
    expect([path, outcome]).toEqual([
      path,
      expect.stringMatching(valid.includes(path) ? /^read$/ : /^(read|DataError)$/),
    ]);
});

test("valid parquet files beside an answer file hold its values", async () => {
  for (const path of parquetFiles(join("bad", "parquet_valid"))) {
    const answers = path.replace(/\.parquet$/, ".json");
    if (!isThere(answers)) continue;
    const file = await ParquetFile.open(path, new ByteCache(1e9));
    const rows: unknown[] = [];
    for (let index = 0; index < file.length; index += 1) rows.push(Object.values((await file.read(index)).values));
    expect(rows.map(toJson), path).toEqual(JSON.parse(readFileSync(answers, "utf8")));
  }
});

/** As the answer files write values: 64-bit integers as numbers, bytes as text, nothing as null. */
function toJson(value: unknown): unknown {
  if (value === undefined) return null;
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("utf8");
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, toJson(member)]));
}
