import { execFileSync } from "node:child_process";
import { appendFileSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LineTail } from "../../lib/run-folders/line-tail.ts";
import { tempFolder } from "../support/temp.ts";

/** A tail of a file in a fresh folder, with what it has told. */
function tailOf(name = "m.jsonl") {
  const folder = tempFolder();
  const lines: string[] = [];
  let numRestarts = 0;
  const tail = new LineTail(folder, name, {
    line: (text) => lines.push(text),
    restart: () => {
      numRestarts += 1;
      lines.length = 0;
    },
  });
  return { path: join(folder, name), folder, tail, lines, numRestarts: () => numRestarts };
}

test("lines come once, when they are whole", async () => {
  const { path, tail, lines } = tailOf();
  expect(await tail.poll()).toBe("absent");
  writeFileSync(path, "one\ntwo\nthr");
  await tail.poll();
  expect(lines).toEqual(["one", "two"]);
  appendFileSync(path, "ee");
  await tail.poll();
  expect(lines).toEqual(["one", "two"]);
  appendFileSync(path, "\n\nfour\n");
  await tail.poll();
  expect(lines).toEqual(["one", "two", "three", "four"]);
});

test("a character that is cut between two writes is whole in its line", async () => {
  const { path, tail, lines } = tailOf();
  const bytes = Buffer.from("grün\n");
  writeFileSync(path, bytes.subarray(0, 3));
  await tail.poll();
  appendFileSync(path, bytes.subarray(3));
  await tail.poll();
  expect(lines).toEqual(["grün"]);
});

test("lines over several reads are whole, and one without an end to it is passed over", async () => {
  const { path, tail, lines } = tailOf();
  const long = "x".repeat(3 * 2 ** 20);
  writeFileSync(path, `${long}\n${"y".repeat(10 * 2 ** 20)}\nlast\n`);
  await tail.poll();
  expect(lines.map(({ length }) => length)).toEqual([long.length, 4]);
});

test("a file that was cut, or replaced by another one as long or longer, is read anew", async () => {
  const { path, folder, tail, lines, numRestarts } = tailOf();
  writeFileSync(path, "one\ntwo\n");
  await tail.poll();
  truncateSync(path, 4);
  await tail.poll();
  expect([lines, numRestarts()]).toEqual([["one"], 1]);
  writeFileSync(join(folder, "new"), "1\n2\n3\n4\n");
  renameSync(join(folder, "new"), path);
  await tail.poll();
  expect([lines, numRestarts()]).toEqual([["1", "2", "3", "4"], 2]);
  writeFileSync(path, "a\nb\nc\nd\ne\n"); // the same inode
  await tail.poll();
  expect([lines, numRestarts()]).toEqual([["a", "b", "c", "d", "e"], 3]);
});

test("a file that goes is absent, and read anew when it comes back", async () => {
  const { path, tail, lines } = tailOf();
  writeFileSync(path, "one\n");
  await tail.poll();
  rmSync(path);
  expect(await tail.poll()).toBe("absent");
  expect(lines).toEqual([]);
  writeFileSync(path, "one\n");
  expect(await tail.poll()).toBe("whole");
  expect(lines).toEqual(["one"]);
});

test("a link out of the folder, and a pipe that nobody writes, are absent", async () => {
  const { path, tail, lines } = tailOf();
  const outside = join(tempFolder(), "secret");
  writeFileSync(outside, "secret\n");
  symlinkSync(outside, path);
  expect(await tail.poll()).toBe("absent");
  rmSync(path);
  execFileSync("mkfifo", [path]);
  expect(await tail.poll()).toBe("absent");
  expect(lines).toEqual([]);
});
