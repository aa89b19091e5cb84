import { expect, test } from "vitest";
import { CheckpointError } from "../../lib/errors.ts";
import { diskError } from "../../lib/trainer/durable-file.ts";

const systemError = (code: string, syscall: string) =>
  Object.assign(new Error(`${code}: ${syscall}`), { code, syscall });

test("a read-only file system is told in words, also where Node.js says ENOENT of a folder to be made", () => {
  for (const error of [systemError("EROFS", "open"), systemError("ENOENT", "mkdir")]) {
    const told = diskError("/x/run", error);
    expect(told).toBeInstanceOf(CheckpointError);
    expect(told).toMatchObject({ message: "/x/run: the file system is read-only", cause: error });
  }
});

test("a file that is missing is none of the disk's failures", () => {
  const error = systemError("ENOENT", "open");
  expect(diskError("/x/run", error)).toBe(error);
});
