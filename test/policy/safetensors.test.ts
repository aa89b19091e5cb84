import fc from "fast-check";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CheckpointError } from "../../lib/errors.ts";
import { findDuplicateKey, isDeeperThan } from "../../lib/policy/json-duplicates.ts";
import { parseHeader, readHeader, tensorBytes } from "../../lib/policy/safetensors.ts";
import { layoutTensors, shardTensors } from "../../lib/policy/safetensors-layout.ts";
import { badFiles, dataFolder } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";

/** Header of `fields`, checked as if `dataBytes` of tensors followed it. */
function parse(fields: unknown, dataBytes: number) {
  const json = Buffer.from(typeof fields === "string" ? fields : JSON.stringify(fields));
  return parseHeader("x.safetensors", json, 8 + json.length + dataBytes);
}

const f32 = (begin: number, end: number) => ({ dtype: "F32", shape: [(end - begin) / 4], data_offsets: [begin, end] });

test("every listed broken file is refused with a CheckpointError, every odd valid one is read", async () => {
  for (const { row, path } of badFiles("safetensors files", (row) => /\.safetensors$/.test(String(row["path"])))) {
    const outcome = await readHeader(path).then(
      () => "accept",
      (error: unknown) => {
        expect(error, path).toBeInstanceOf(CheckpointError);
        return "reject";
      },
    );
    expect(outcome, path).toBe(String(row["expect"]).split(":")[0]);
  }
});

test("the checkpoints at hand have headers that cover their files", async () => {
  const fixtures = dataFolder("../fixtures");
  if (fixtures === undefined) return;
  for (const file of readdirSync(fixtures, { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".safetensors")) continue;
    const { tensors } = await readHeader(join(fixtures, file));
    expect(tensors.size, file).toBeGreaterThan(0);
  }
});

test("offsets are absolute and metadata is kept", () => {
  const fields = { __metadata__: { format: "pt" }, b: f32(4, 12), a: f32(0, 4) };
  const header = parse(fields, 12);
  expect(header.metadata.get("format")).toBe("pt");
  const start = 8 + JSON.stringify(fields).length;
  expect(header.tensors.get("a")).toEqual({ name: "a", dtype: "F32", shape: [1], byteOffset: start, numBytes: 4 });
  expect(header.tensors.get("b")?.byteOffset).toBe(start + 4);
});

test.each([
  [
    "a gap",
    { a: f32(0, 4), b: f32(8, 12) },
    12,
    /b: data_offsets: leaves a gap before it: expected a begin of 4, got 8/,
  ],
  ["an overlap", { a: f32(0, 8), b: f32(4, 12) }, 12, /b: data_offsets: overlaps/],
  ["a late start", { a: f32(4, 8) }, 8, /leaves a gap/],
  ["uncovered bytes", { a: f32(0, 4) }, 5, /describes 4 bytes of tensors, the file holds 5/],
  ["missing bytes", { a: f32(0, 8) }, 7, /describes 8 bytes of tensors, the file holds 7/],
  ["another size than the shape's", { a: { dtype: "F32", shape: [3], data_offsets: [0, 8] } }, 8, /expected 12 bytes/],
  ["a size that overflows", { a: { dtype: "F32", shape: [2 ** 40, 2 ** 40], data_offsets: [0, 8] } }, 8, /overflows/],
  ["half a byte", { a: { dtype: "F4", shape: [1], data_offsets: [0, 0] } }, 0, /no whole number of bytes/],
  ["a fraction in the shape", { a: { dtype: "F32", shape: [1.5], data_offsets: [0, 6] } }, 6, /shape: expected a list/],
  [
    "an offset above 2^53",
    '{"a":{"dtype":"U8","shape":[1],"data_offsets":[9007199254740993,9007199254740994]}}',
    1,
    /two integers/,
  ],
  ["three offsets", { a: { dtype: "U8", shape: [1], data_offsets: [0, 1, 2] } }, 1, /expected two integers/],
  ["no dtype", { a: { shape: [1], data_offsets: [0, 1] } }, 1, /a: dtype: expected one of/],
  [
    "an inherited name as dtype",
    { a: { dtype: "toString", shape: [1], data_offsets: [0, 1] } },
    1,
    /dtype: expected one of/,
  ],
  ["a tensor that is a list", { a: [] }, 0, /a: expected an object/],
  ["metadata that is no object", { __metadata__: [] }, 0, /__metadata__: expected an object/],
  ["metadata that is no text", { __metadata__: { n: 1 } }, 0, /__metadata__.n: expected a string/],
  ["a space before the object", " {}", 0, /expected an object/],
])("a header with %s is refused", (_name, fields, dataBytes, text) => {
  expect(() => parse(fields, dataBytes)).toThrow(CheckpointError);
  expect(() => parse(fields, dataBytes)).toThrow(text);
});

test("a key given twice is found however it is written, and equal keys of different objects are none", () => {
  expect(findDuplicateKey('{"a":1,"b":{"a":2},"c":[{"a":3},{"a":4}]}')).toBeUndefined();
  expect(findDuplicateKey('{"a":"b","b":"a"}')).toBeUndefined();
  expect(findDuplicateKey('{"a":1,"\\u0061" :2}')).toBe("a");
  expect(findDuplicateKey('{"x":{"a\\\\":1,"b":[{}],"a\\\\":2}}')).toBe("a\\");
});

test("depth counts brackets outside strings and needs no valid JSON", () => {
  expect(isDeeperThan('{"a[[[[":[{}]}', 3)).toBe(false);
  expect(isDeeperThan('{"a\\"[[[[":[{}]}', 2)).toBe(true);
  expect(isDeeperThan("[".repeat(1_000_000), 3)).toBe(true);
  expect(isDeeperThan('[]{}[]{}"', 1)).toBe(false);
});

test("a deep header is refused before it is parsed", () => {
  expect(() => parse(`{"a":${"[".repeat(111)}${"]".repeat(111)}}`, 0)).toThrow(/header: expected at most 3 levels/);
});

test("a written file of any JSON value without duplicates has none", () => {
  fc.assert(
    fc.property(fc.json(), (json) => {
      expect(findDuplicateKey(JSON.stringify(JSON.parse(json)))).toBeUndefined();
    }),
  );
});

test("a file that is absent, a folder, shorter than its header says or claims a huge header gives a CheckpointError", async () => {
  const folder = tempFolder();
  const file = join(folder, "a.safetensors");
  await expect(readHeader(file)).rejects.toThrow(/ENOENT/);
  await expect(readHeader(folder)).rejects.toThrow(/expected a file/);
  writeFileSync(file, Buffer.from([9, 0, 0, 0, 0, 0, 0, 0, 123, 125]));
  await expect(readHeader(file)).rejects.toThrow(/claims 9 bytes, the file has 2/);
  writeFileSync(file, Buffer.alloc(16, 255));
  await expect(readHeader(file)).rejects.toThrow(/at most 16000000 bytes, it claims 18446744073709551615/);
});

test("a laid-out file reads back with the same tensors, each aligned to its element", () => {
  const specs = [
    { name: "half", dtype: "BF16", shape: [3] },
    { name: "__proto__", dtype: "F32", shape: [7, 37] },
    { name: "empty", dtype: "F32", shape: [0, 5] },
    { name: "wide \u00e9", dtype: "I64", shape: [] },
    { name: "byte", dtype: "U8", shape: [1] },
  ] as const;
  const { header, entries, fileBytes } = layoutTensors(specs, { format: "pt" });
  // 3 * 2 + 7 * 37 * 4 + 0 + 8 + 1
  expect(fileBytes - header.length).toBe(1051);
  expect(header.length % 8).toBe(0);
  const read = parseHeader("new", header.subarray(8), fileBytes);
  expect(read.metadata.get("format")).toBe("pt");
  expect([...read.tensors.values()].sort((a, b) => a.byteOffset - b.byteOffset || a.numBytes - b.numBytes).length).toBe(
    5,
  );
  for (const entry of entries) {
    expect(read.tensors.get(entry.name)).toEqual(entry);
    expect(entry.byteOffset % ((tensorBytes(entry.dtype, []) ?? 0) || 1)).toBe(0);
  }
  expect(specs.map(({ name }) => entries.some((entry) => entry.name === name))).not.toContain(false);
});

test("a name given twice and a size without a whole number of bytes cannot be laid out", () => {
  const spec = { name: "a", dtype: "F32", shape: [1] } as const;
  expect(() => layoutTensors([spec, spec])).toThrow(RangeError);
  expect(() => layoutTensors([{ ...spec, shape: [2 ** 53] }])).toThrow(/no whole number of bytes/);
});

test("shards hold at most the given bytes unless a single tensor is larger", () => {
  const spec = (name: string, numBytes: number) => ({ name, dtype: "U8", shape: [numBytes] }) as const;
  const shards = shardTensors([spec("a", 6), spec("b", 4), spec("c", 1), spec("d", 11), spec("e", 1)], 10);
  expect(shards.map(({ tensors }) => tensors.map(({ name }) => name).join(""))).toEqual(["ab", "c", "d", "e"]);
  expect(shards[2]?.fileName).toBe("model-00003-of-00004.safetensors");
  expect(shardTensors([spec("a", 6)], 1).map(({ fileName }) => fileName)).toEqual(["model.safetensors"]);
});
