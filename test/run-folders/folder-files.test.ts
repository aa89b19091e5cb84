import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { namesInside, readInside, RefusedFileError } from "../../lib/run-folders/folder-files.ts";
import { tempFolder } from "../support/temp.ts";

test("no name and no link leads out of the folder", async () => {
  const outer = tempFolder();
  const folder = join(outer, "run");
  mkdirSync(join(folder, "samples"), { recursive: true });
  mkdirSync(join(outer, "run-2"));
  writeFileSync(join(outer, "secret"), "secret");
  writeFileSync(join(outer, "run-2", "secret"), "secret");
  symlinkSync(join(outer, "secret"), join(folder, "link"));
  symlinkSync(outer, join(folder, "samples", "out"));
  symlinkSync("../run-2", join(folder, "near"));
  for (const name of [
    "../secret",
    "samples/../../secret",
    "link",
    "samples/out/secret",
    "near/secret",
    "/etc/passwd",
    "a\0b",
  ])
    await expect(readInside(folder, name, 100), name).rejects.toThrow(RefusedFileError);
  await expect(namesInside(folder, "samples/out")).rejects.toThrow(RefusedFileError);
});

test("links within the folder, and to the folder itself, are followed", async () => {
  const outer = tempFolder();
  const folder = join(outer, "run");
  mkdirSync(folder);
  writeFileSync(join(folder, "a"), "inside");
  symlinkSync("a", join(folder, "b"));
  symlinkSync(folder, join(outer, "latest"));
  expect((await readInside(join(outer, "latest"), "b", 100)).toString()).toBe("inside");
  expect((await namesInside(join(outer, "latest"), ".")).sort()).toEqual(["a", "b"]);
  expect(await namesInside(folder, "absent")).toEqual([]);
});

test("a folder is no file, and a file over the limit is refused", async () => {
  const folder = tempFolder();
  writeFileSync(join(folder, "a"), "1234567");
  mkdirSync(join(folder, "b"));
  await expect(readInside(folder, "b", 100)).rejects.toThrow("b: not a file");
  await expect(readInside(folder, "a", 6)).rejects.toThrow("a: 7 bytes, more than 6");
  expect(await readInside(folder, "a", 7)).toHaveLength(7);
});
