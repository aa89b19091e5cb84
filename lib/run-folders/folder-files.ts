// Files of a folder that somebody else may have filled: nothing outside of it is ever opened, and nothing that is no file.
import { constants } from "node:fs";
import { type FileHandle, open, readdir, realpath } from "node:fs/promises";
import { isAbsolute, join, sep } from "node:path";

/** A name leads out of the folder, or to what is no file, or the file is larger than it may be. */
export class RefusedFileError extends Error {
  override readonly name = "RefusedFileError";
}

/** Codes of what is not there (any more). */
const absentCodes = new Set(["ENOENT", "ENOTDIR", "ESTALE"]);

export function isAbsent(error: unknown): boolean {
  return absentCodes.has((error as NodeJS.ErrnoException).code ?? "");
}

/**
 * Opens a file for reading.
 * @param name relative to the folder
 * @throws {RefusedFileError} when it leads out of the folder, by `..` or by a link, or is no regular file
 */
export async function openInside(folder: string, name: string): Promise<FileHandle> {
  const path = await realPathInside(folder, name);
  // Not blocking: a named pipe would wait for its other end.
  const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (!(await handle.stat()).isFile()) throw new RefusedFileError(`${name}: not a file`);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * The whole of a small file.
 * @throws {RefusedFileError} as openInside, and when it has more than `maxBytes`
 */
export async function readInside(folder: string, name: string, maxBytes: number): Promise<Buffer> {
  const handle = await openInside(folder, name);
  try {
    const { size } = await handle.stat();
    if (size > maxBytes) throw new RefusedFileError(`${name}: ${size} bytes, more than ${maxBytes}`);
    return await readUpTo(handle, size);
  } finally {
    await handle.close();
  }
}

/** Names in a folder of the folder; none when it is absent. */
export async function namesInside(folder: string, name: string): Promise<string[]> {
  try {
    return await readdir(await realPathInside(folder, name));
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

async function realPathInside(folder: string, name: string): Promise<string> {
  if (isAbsolute(name) || name.includes("\0")) throw new RefusedFileError(`${name}: not inside the folder`);
  const root = await realpath(folder);
  const path = await realpath(join(root, name));
  if (path !== root && !path.startsWith(root.endsWith(sep) ? root : root + sep))
    throw new RefusedFileError(`${name}: not inside the folder`);
  return path;
}

/** A file that grows meanwhile is read up to the size that was checked. */
async function readUpTo(handle: FileHandle, size: number): Promise<Buffer> {
  const buffer = Buffer.alloc(size);
  let length = 0;
  while (length < size) {
    const { bytesRead } = await handle.read(buffer, length, size - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}
