import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ConfigError } from "../errors.ts";
import { diskError, temporaryPrefix } from "../trainer/durable-file.ts";

/** JSONL lines under a temporary name until finished: a reader sees the whole file or none. */
export class VerdictFile implements AsyncDisposable {
  readonly #path: string;
  readonly #temporary: string;
  readonly #handle: FileHandle;

  private constructor(path: string, temporary: string, handle: FileHandle) {
    this.#path = path;
    this.#temporary = temporary;
    this.#handle = handle;
  }

  /** @throws {ConfigError} when the path is a folder or in none; {CheckpointError} when it cannot be written */
  static async open(path: string): Promise<VerdictFile> {
    const isFolder = async (name: string) => (await stat(name).catch(() => undefined))?.isDirectory() === true;
    if (await isFolder(path)) throw new ConfigError("--out", `expected the name of a file, got the folder ${path}`);
    if (!(await isFolder(dirname(path)))) throw new ConfigError("--out", `there is no folder ${dirname(path)}`);
    const temporary = join(dirname(path), `${temporaryPrefix}${process.pid}-${basename(path)}`);
    const handle = await open(temporary, "w").catch((error: unknown) => {
      throw diskError(dirname(path), error);
    });
    return new VerdictFile(path, temporary, handle);
  }

  /** @throws {CheckpointError} when the disk is full */
  async write(rows: readonly object[]): Promise<void> {
    try {
      await this.#handle.appendFile(rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    } catch (error) {
      throw diskError(dirname(this.#path), error);
    }
  }

  async finish(): Promise<void> {
    await this.#handle.sync();
    await rename(this.#temporary, this.#path);
  }

  /** Removes what is not finished. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
    await rm(this.#temporary, { force: true });
  }
}
