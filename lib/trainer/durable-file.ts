// Files that are whole or absent, also after a power cut, and what a full disk is called.
import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CheckpointError, NativeError } from "../errors.ts";

/** Names that start so are unfinished; whoever opens the folder next removes them. */
export const temporaryPrefix = ".tmp-";

/** Forces a file's bytes or a folder's names to the disk. */
export async function syncPath(path: string): Promise<void> {
  // Windows flushes only what is open for writing; folders and files copied read-only cannot be.
  const handle = await open(path, "r+").catch((error: unknown) => {
    if (["EISDIR", "EACCES", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "")) return open(path, "r");
    throw error;
  });
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Replaces a file by `content` in one step: a reader sees the old or the new one. */
export async function writeFileAtomic(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = join(dirname(path), `${temporaryPrefix}${process.pid}-${basename(path)}`);
  try {
    const handle = await open(temporary, "w");
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    await syncPath(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw diskError(dirname(path), error);
  }
}

/** Makes `dir` if it is absent and removes what an interrupted writer left in it. */
export async function cleanFolder(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true }).catch((error: unknown) => {
    throw diskError(dir, error);
  });
  for (const name of await readdir(dir)) {
    if (name.startsWith(temporaryPrefix)) await rm(join(dir, name), { recursive: true, force: true });
  }
}

const systemTexts: Readonly<Record<string, string>> = {
  ENOSPC: "no space is left on the disk",
  EDQUOT: "the disk quota is used up",
  EROFS: "the file system is read-only",
  EACCES: "writing is not permitted",
  EPERM: "writing is not permitted",
  EFBIG: "the file system does not allow files of that size",
};

/**
 * The error to throw for `error`, which writing into `dir` gave: a CheckpointError in plain words when the disk is the
 * cause (from native code too), else `error` itself.
 */
export function diskError(dir: string, error: unknown, consequence = ""): unknown {
  if (!(error instanceof Error)) return error;
  const { code, syscall } = error as NodeJS.ErrnoException;
  const isNativeIo = error instanceof NativeError && error.code === "E_IO";
  // What Node.js says of a folder with its parents on a read-only file system.
  const isUnmade = code === "ENOENT" && syscall === "mkdir";
  const text = systemTexts[(isUnmade ? "EROFS" : code) ?? ""] ?? (isNativeIo ? error.message : undefined);
  return text === undefined ? error : new CheckpointError(dir, text + consequence, { cause: error });
}
