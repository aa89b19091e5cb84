import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openDataset } from "../../lib/data/dataset.ts";
import type { Dataset } from "../../lib/data/dataset.ts";
import { readImageHeader } from "../../lib/data/image-header.ts";
import { selectRows } from "../../lib/data/select.ts";
import { DataError } from "../../lib/errors.ts";
import type { Example } from "../../lib/types.ts";
import { jsonLines, tempFolder, tinyPng } from "./temp.ts";

const row = (more: object = {}) => ({ problem: "How many?", answer: "3", ...more });

/** Opens a folder that holds `text` as rows.jsonl and the picture p.png. */
async function rowsOf(text: string, options = {}): Promise<Dataset> {
  return openDataset(join(tempFolder({ "rows.jsonl": text, "p.png": tinyPng }), "rows.jsonl"), options);
}

const first = async (columns: object, options = {}) => (await rowsOf(jsonLines([columns]), options)).read(0);

async function all(dataset: Dataset): Promise<Example[]> {
  return Promise.all(Array.from({ length: dataset.length }, (_, index) => dataset.read(index)));
}

test("a row becomes an example whose other columns are kept", async () => {
  const example = await first(row({ problem: "<image>How many?", images: ["p.png"], level: 3, id: "a" }));
  expect(example).toMatchObject({ id: "a", problem: "<image>How many?", answer: "3", row: 1, extra: { level: 3 } });
  expect(example.images).toHaveLength(1);
  expect(example.images[0]).toHaveProperty("path", expect.stringMatching(/\/p\.png$/));
  expect(example).not.toHaveProperty("response");
});

test("other column keys are honoured and a row without id is named by file and line", async () => {
  const keys = { promptKey: "q", answerKey: "a", imageKey: "pic", idKey: "key" };
  const example = await first({ q: "<image>", a: true, pic: "p.png", problem: "x" }, keys);
  expect(example).toMatchObject({ id: "rows.jsonl:1", problem: "<image>", answer: "true", extra: { problem: "x" } });
});

test("a supervised row has a response and needs no answer", async () => {
  expect(await first({ problem: "p", response: "r" }, { responseKey: "response" })).toMatchObject({
    answer: "",
    response: "r",
  });
  await expect(first(row(), { responseKey: "response" })).rejects.toThrow("rows.jsonl:1: response: expected text");
});

test("numeric answers and ids are the characters of the file", async () => {
  const dataset = await rowsOf(
    '{"problem":"p","answer":1.50,"id":12345678901234567890}\n{"problem":"p","answer":-0}\n',
  );
  expect(await all(dataset)).toMatchObject([{ answer: "1.50", id: "12345678901234567890" }, { answer: "-0" }]);
});

test("a byte order mark, CRLF, blank lines and a missing last line feed change nothing but the line numbers", async () => {
  const dataset = await rowsOf(`\ufeff${JSON.stringify(row())}\r\n\r\n \t\n${JSON.stringify(row({ answer: "4" }))}`);
  expect((await all(dataset)).map(({ answer, row }) => [answer, row])).toEqual([
    ["3", 1],
    ["4", 4],
  ]);
});

test("a .json file is an array of rows or one row a line", async () => {
  const rows = [row({ answer: "],[" }), row({ answer: '\\"{', nested: [[1], { a: "[" }] })];
  const folder = tempFolder({ "a.json": `\ufeff ${JSON.stringify(rows, null, 2)}\n`, "b.json": jsonLines(rows) });
  for (const name of ["a.json", "b.json"]) {
    const examples = await all(await openDataset(join(folder, name)));
    expect(examples.map(({ answer, row }) => [answer, row])).toEqual([
      ["],[", 1],
      ['\\"{', 2],
    ]);
  }
});

test.each([
  ["[{},]", "a comma or the end of the array"],
  ["[,{}]", "a comma or the end"],
  ["[{}", "ends inside the array"],
  ['["', "ends inside the array"],
  ["[{}] {}", "text after the array"],
])("the broken array %s is an error", async (text, message) => {
  const folder = tempFolder({ "a.json": text });
  await expect(openDataset(join(folder, "a.json"))).rejects.toThrow(message);
});

test("brackets that do not match are an error of their row only", async () => {
  const folder = tempFolder({ "a.json": `[{"a":[1}], ${JSON.stringify(row())}]` });
  const dataset = await openDataset(join(folder, "a.json"));
  await expect(dataset.read(0)).rejects.toThrow("a.json:1: not valid JSON");
  expect((await dataset.read(1)).answer).toBe("3");
});

test("rows longer than a chunk are found whole", async () => {
  const long = "x".repeat(3 * 1024 * 1024 + 7);
  const dataset = await rowsOf(jsonLines([row(), row({ long }), row({ answer: "5" })]));
  const examples = await all(dataset);
  expect(examples.map(({ answer }) => answer)).toEqual(["3", "3", "5"]);
  expect(examples[1]?.extra.long).toBe(long);
});

test.each([
  ["no prompt", { answer: "1" }, "problem: expected text, got none (the row has: answer)"],
  ["no answer", { problem: "p" }, "answer: expected text, got none"],
  ["a null answer", row({ answer: null }), "answer: expected text, got none"],
  ["a blank answer", row({ answer: " \n" }), "answer: expected text, got none"],
  ["a list as answer", row({ answer: ["1"] }), "answer: expected text or a number, got a list"],
  ["an object as answer", row({ answer: { a: 1 } }), "answer: expected text or a number, got { a: 1 }"],
  ["more marks than pictures", row({ problem: "<image>" }), "got 1 marks and 0 pictures"],
  ["fewer marks than pictures", row({ images: ["p.png"] }), "got 0 marks and 1 pictures"],
  ["a video", row({ videos: ["v.mp4"] }), "videos: videos are not supported"],
  ["a picture that is not there", row({ problem: "<image>", images: ["no.png"] }), "no.png cannot be opened: ENOENT"],
  ["a web address", row({ problem: "<image>", images: ["https://a/b.png"] }), "got the address https://a/b.png"],
  ["a picture that is a number", row({ problem: "<image>", images: [5] }), "expected a path or {bytes, path}, got 5"],
  ["a picture that is null", row({ problem: "<image>", images: [null] }), "got nothing"],
  ["a path above the folder", row({ problem: "<image>", images: ["../p.png"] }), "expected a picture inside"],
  ["an absolute path outside", row({ problem: "<image>", images: ["/etc/passwd"] }), "expected a picture inside"],
  ["a NUL in a path", row({ problem: "<image>", images: ["p\0.png"] }), "expected a picture inside"],
])("a row with %s is an error that names file and row", async (_, columns, message) => {
  const failed = first(columns);
  await expect(failed).rejects.toThrow(DataError);
  await expect(failed).rejects.toThrow(message);
  await expect(failed).rejects.toMatchObject({ row: 1, file: expect.stringMatching(/rows\.jsonl$/) as string });
});

test.each([
  ["42", "expected a JSON object, got 42"],
  ["[1]", "expected a JSON object, got [1]"],
  ["null", "expected a JSON object"],
  ['{"problem":"p","answer":NaN}', "not valid JSON"],
  ['{"problem":"p","answer":"\\ud800"}', "half of a surrogate pair"],
  [`{"problem":"p","answer":"1","x":${"[".repeat(99)}${"]".repeat(99)}}`, "nested deeper than 64"],
])("the line %s is an error of its row", async (line, message) => {
  await expect((await rowsOf(`${line}\n`)).read(0)).rejects.toThrow(message);
});

test("a row over the size limit is refused without being read", async () => {
  const dataset = await rowsOf(`{"a":"${"x".repeat(64 * 1024 * 1024)}"}\n${jsonLines([row()])}`);
  await expect(dataset.read(0)).rejects.toThrow("the row is longer than 67108864 bytes");
  expect((await dataset.read(1)).answer).toBe("3");
});

test("a symbolic link that leaves the folder is refused, one within it is not", async () => {
  const folder = tempFolder({
    "outside/p.png": tinyPng,
    "set/in.png": tinyPng,
    "set/rows.jsonl": jsonLines(["away.png", "near.png"].map((name) => row({ problem: "<image>", images: [name] }))),
  });
  symlinkSync(join(folder, "outside/p.png"), join(folder, "set/away.png"));
  symlinkSync("in.png", join(folder, "set/near.png"));
  const dataset = await openDataset(join(folder, "set/rows.jsonl"));
  await expect(dataset.read(0)).rejects.toThrow("is a link that leaves");
  expect((await dataset.read(1)).images).toMatchObject([{ path: expect.stringMatching(/in\.png$/) as string }]);
});

test("imageDir is where relative paths start", async () => {
  const folder = tempFolder({
    "p/q.png": tinyPng,
    "rows.jsonl": jsonLines([row({ problem: "<image>", images: "q.png" })]),
  });
  const dataset = await openDataset(join(folder, "rows.jsonl"), { imageDir: join(folder, "p") });
  expect((await dataset.read(0)).images).toHaveLength(1);
});

test("a folder's split is found by file name, train when none is asked for", async () => {
  const folder = tempFolder({
    "data/train-00000-of-00002.jsonl": jsonLines([row({ answer: "1" })]),
    "data/train-00001-of-00002.jsonl": jsonLines([row({ answer: "2" })]),
    "data/testmini-00000-of-00001.jsonl": jsonLines([row({ answer: "3" })]),
    "val/part.jsonl": jsonLines([row({ answer: "4" })]),
    "images/other.jsonl": jsonLines([row({ answer: "5" })]),
    "dataset_info.json": "{}",
  });
  const answers = async (spec: string) => (await all(await openDataset(spec))).map(({ answer }) => answer);
  expect(await answers(folder)).toEqual(["1", "2"]);
  expect(await answers(`${folder}@testmini`)).toEqual(["3"]);
  expect(await answers(`${folder}@validation`)).toEqual(["4"]);
  await expect(openDataset(`${folder}@test`)).rejects.toThrow("expected files of the split test, got only the splits");
  await expect(openDataset(`${folder}@`)).rejects.toThrow("expected a split name after @");
});

test("a folder that lacks one of its announced shards is an error that names it", async () => {
  const shard = (name: string) => ({ [`data/train-${name}-0a1b.jsonl`]: jsonLines([row()]) });
  const folder = tempFolder({ ...shard("00000-of-00003"), ...shard("00002-of-00003") });
  await expect(openDataset(folder)).rejects.toThrow("shards are missing: data/train-00001-of-00003");
});

test("rows of a folder are unique by file and line", async () => {
  const folder = tempFolder({ "train-a.jsonl": jsonLines([row()]), "data/train-a.jsonl": jsonLines([row()]) });
  expect((await all(await openDataset(folder))).map(({ id }) => id)).toEqual([
    "data/train-a.jsonl:1",
    "train-a.jsonl:1",
  ]);
});

test("a split column chooses rows only when a split is written out and no file name says it", async () => {
  const rows = ["train", "val", "train"].map((split, index) => row({ split, answer: String(index) }));
  const folder = tempFolder({ "rows.jsonl": jsonLines(rows), "bare/rows.jsonl": jsonLines([row()]) });
  const answers = async (spec: string) => (await all(await openDataset(spec))).map(({ answer }) => answer);
  expect(await answers(folder)).toEqual(["0", "1", "2"]);
  expect(await answers(`${folder}@train`)).toEqual(["0", "2"]);
  expect(await answers(`${join(folder, "rows.jsonl")}@validation`)).toEqual(["1"]);
  await expect(openDataset(`${folder}@test`)).rejects.toThrow("expected rows of the split test, got only train, val");
  expect(await answers(`${join(folder, "bare")}@train`)).toEqual(["3"]);
  await expect(openDataset(`${join(folder, "bare")}@test`)).rejects.toThrow("neither file names nor a split column");
});

test("a path may hold an @", async () => {
  const folder = tempFolder({ "a@b/rows.jsonl": jsonLines([row()]) });
  expect((await openDataset(join(folder, "a@b"))).length).toBe(1);
  expect((await openDataset(`${join(folder, "a@b")}@train`)).length).toBe(1);
});

test("empty data sets, folders without rows and things that are not there are errors", async () => {
  const folder = tempFolder({ "empty.jsonl": "\n\n", "empty.json": "[]", "notes.txt": "x", "sub/readme.md": "x" });
  await expect(openDataset(join(folder, "empty.jsonl"))).rejects.toThrow("the data set has no rows");
  await expect(openDataset(join(folder, "empty.json"))).rejects.toThrow("the data set has no rows");
  await expect(openDataset(join(folder, "sub"))).rejects.toThrow("no .parquet, .jsonl or .json file");
  await expect(openDataset(join(folder, "notes.txt"))).rejects.toThrow("expected a .parquet, .jsonl or .json file");
  await expect(openDataset(join(folder, "nowhere.jsonl"))).rejects.toThrow("no such file or folder");
});

test("UTF-16 is named as such", async () => {
  const folder = tempFolder({ "a.jsonl": Buffer.from(`\ufeff${JSON.stringify(row())}\n`, "utf16le") });
  await expect(openDataset(join(folder, "a.jsonl"))).rejects.toThrow("expected UTF-8, got UTF-16");
});

test("an index outside the data set is a RangeError", async () => {
  const dataset = await rowsOf(jsonLines([row()]));
  for (const index of [-1, 1, 0.5, NaN]) await expect(dataset.read(index)).rejects.toThrow(RangeError);
});

test("a file that became shorter is an error, not a wrong row", async () => {
  const folder = tempFolder({ "rows.jsonl": jsonLines([row(), row()]) });
  const dataset = await openDataset(join(folder, "rows.jsonl"));
  writeFileSync(join(folder, "rows.jsonl"), "{}");
  await expect(dataset.read(1)).rejects.toThrow("became shorter");
});

test("selecting skips and counts unusable rows, drops unwanted ones and makes ids unique", async () => {
  const rows = [row({ id: "a" }), { problem: "p" }, row({ id: "a" }), row({ id: "b", answer: "no" }), row({ id: "c" })];
  const dataset = await rowsOf(jsonLines(rows), { maxSkippedShare: 0.2 });
  const selected = await selectRows(dataset, { keep: ({ answer }) => answer !== "no" });
  const ids = (await all(selected)).map(({ id }) => id);
  expect(ids).toEqual(["a", "a#3", "c"]);
  expect(selected).toMatchObject({ length: 3, numDropped: 1 });
  expect(selected.skips).toMatchObject({ seen: 5, skipped: 1 });
  expect(selected.skips.reports).toEqual([expect.stringMatching(/rows\.jsonl:2: answer: expected text/)]);
  await expect(selected.read(3)).rejects.toThrow(RangeError);
});

test("ids of repeated rows stay when the data set is moved", async () => {
  const file = jsonLines([row({ id: "a" }), row({ id: "a" })]);
  const idsIn = async (folder: string) => (await all(await selectRows(await openDataset(folder)))).map(({ id }) => id);
  const files = { "train-a/0.jsonl": file, "train-b/0.jsonl": file };
  const [here, there] = await Promise.all([tempFolder(files), tempFolder(files)].map(idsIn));
  expect(here).toEqual(there);
  expect(new Set(here).size).toBe(4);
});

test("selecting stops when too many rows are unusable, and when none is left", async () => {
  const bad = await rowsOf(jsonLines([row(), {}, row(), row()]), { maxSkippedShare: 0.2 });
  await expect(selectRows(bad)).rejects.toThrow("1 of 4 rows are unusable, more than maxSkippedShare 0.2; first: ");
  const dropped = await rowsOf(jsonLines([row()]));
  await expect(selectRows(dropped, { keep: () => false })).rejects.toThrow("no row is left: 0 unusable, 1 dropped");
  await expect(rowsOf(jsonLines([row()]), { maxSkippedShare: 2 })).rejects.toThrow(RangeError);
});

test("selecting stops early in a data set of broken rows and on an abort", async () => {
  const broken = await rowsOf("{\n".repeat(1000));
  await expect(selectRows(broken)).rejects.toThrow("100 of 100 rows are unusable");
  const some = await rowsOf(jsonLines([row()]));
  await expect(selectRows(some, { signal: AbortSignal.abort() })).rejects.toThrow("aborted");
});

test("an error that is not about the data goes through a selection", async () => {
  const dataset = await rowsOf(jsonLines([row()]));
  const keep = () => {
    throw new TypeError("bug");
  };
  await expect(selectRows(dataset, { keep })).rejects.toThrow(TypeError);
});

test("a folder that is a data set may lie behind a link", async () => {
  const folder = tempFolder({ "real/p.png": tinyPng });
  writeFileSync(join(folder, "real/rows.jsonl"), jsonLines([row({ problem: "<image>", images: ["p.png"] })]));
  mkdirSync(join(folder, "x"));
  symlinkSync(join(folder, "real"), join(folder, "x/link"));
  expect((await (await openDataset(join(folder, "x/link"))).read(0)).images).toHaveLength(1);
});

/** A pipe that nobody writes to: opening it for reading never ends. */
function makePipe(path: string): void {
  rmSync(path, { force: true });
  expect(spawnSync("mkfifo", [path]).status).toBe(0);
}

test.skipIf(process.platform === "win32")("pipes among the files of a data set are left out or refused", async () => {
  const folder = tempFolder({ "a.jsonl": jsonLines([row()]), "b.jsonl": jsonLines([row()]), "c.json": "[]" });
  for (const name of ["d.jsonl", "e.parquet", "p.png"]) makePipe(join(folder, name));
  symlinkSync("d.jsonl", join(folder, "f.jsonl"));
  const dataset = await openDataset(folder);
  expect(dataset.length).toBe(2);
  makePipe(join(folder, "b.jsonl"));
  await expect(dataset.read(1)).rejects.toThrow("expected a file");
  const header = readImageHeader({ path: join(folder, "p.png") }, { file: "a.jsonl", row: 1 });
  await expect(header).rejects.toThrow("p.png: expected a file");
  await expect(header).rejects.toThrow(DataError);
});

test("a link to rows is followed, and one that leads nowhere is an error", async () => {
  const folder = tempFolder({ "kept/a.txt": jsonLines([row()]) });
  symlinkSync(join("kept", "a.txt"), join(folder, "a.jsonl"));
  expect((await openDataset(folder)).length).toBe(1);
  symlinkSync("nowhere", join(folder, "b.jsonl"));
  await expect(openDataset(folder)).rejects.toThrow("b.jsonl: cannot be opened: ENOENT");
});
