// Picture paths of a data set: relative to one folder, never leaving it.
import { realpath } from "node:fs/promises";
import { isAbsolute, relative, resolve, sep } from "node:path";
import { DataError } from "../errors.ts";

export class ImageFolder {
  readonly #folder: string;
  readonly #allowed: readonly string[];

  /**
   * @param folder where relative paths start
   * @param linkTargets further folders that symbolic links in it may lead to: the blobs of a hub cache
   */
  constructor(folder: string, linkTargets: readonly string[] = []) {
    this.#folder = resolve(folder);
    this.#allowed = [this.#folder, ...linkTargets];
  }

  /**
   * The real absolute path of a picture.
   * @throws {DataError} at `file`:`row` when it is not there or outside the folder, symbolic links followed
   */
  async resolve(path: string, file: string, row: number): Promise<string> {
    const asked = resolve(this.#folder, path);
    if (path.includes("\0") || !isInside(this.#folder, asked))
      throw new DataError(file, row, `expected a picture inside ${this.#folder}, got ${JSON.stringify(path)}`);
    const real = await realpath(asked).catch((error: unknown) => {
      throw new DataError(file, row, `picture ${asked} cannot be opened: ${(error as NodeJS.ErrnoException).code}`, {
        cause: error,
      });
    });
    for (const folder of this.#allowed) if (isInside(await realpath(folder), real)) return real;
    throw new DataError(file, row, `picture ${asked} is a link that leaves ${this.#folder}: it leads to ${real}`);
  }
}

function isInside(folder: string, path: string): boolean {
  const rest = relative(folder, path);
  return rest !== ".." && !rest.startsWith(`..${sep}`) && !isAbsolute(rest);
}
