// The checkpoints of a run: checkpoints/step-000120/, each complete or not there. Owns names, atomic writing, the
// manifest that makes a folder valid, and which ones are kept; what a checkpoint holds belongs to whoever fills it.
import { mkdir, readFile, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { join, sep } from "node:path";
import { CheckpointError } from "../errors.ts";
import { cleanFolder, diskError, syncPath, temporaryPrefix, writeFileAtomic } from "./durable-file.ts";

export interface Checkpoint {
  readonly step: number;
  readonly dir: string;
}

export interface KeepRule {
  /** How many checkpoints are kept beside the best one, newest first; -1: all. */
  readonly saveLimit: number;
  /** Step of the best checkpoint, which is kept. */
  readonly bestStep: number | undefined;
}

const manifestFile = "manifest.json";
const manifestVersion = 1;
/** A checkpoint that is being replaced by a new one of the same step. */
const replacedPrefix = ".replaced-";

export class CheckpointStore {
  readonly dir: string;

  private constructor(dir: string) {
    this.dir = dir;
  }

  /** Opens a `checkpoints/` folder, made if absent; what a killed writer left is removed. */
  static async open(dir: string): Promise<CheckpointStore> {
    await cleanFolder(dir);
    for (const name of await readdir(dir)) {
      if (!name.startsWith(replacedPrefix)) continue;
      const target = join(dir, name.slice(replacedPrefix.length));
      if (await exists(target)) await rm(join(dir, name), { recursive: true, force: true });
      else await rename(join(dir, name), target); // killed between the two renames of a replacement
    }
    return new CheckpointStore(dir);
  }

  /** Valid checkpoints by ascending step, and why the other step folders are none. */
  async list(): Promise<{ checkpoints: Checkpoint[]; broken: CheckpointError[] }> {
    const checkpoints: Checkpoint[] = [];
    const broken: CheckpointError[] = [];
    for (const name of await readdir(this.dir)) {
      if (!/^step-\d{6,}$/.test(name)) continue;
      try {
        checkpoints.push(await openCheckpoint(join(this.dir, name)));
      } catch (error) {
        if (!(error instanceof CheckpointError)) throw error;
        broken.push(error);
      }
    }
    checkpoints.sort((a, b) => a.step - b.step);
    return { checkpoints, broken };
  }

  /** The newest valid checkpoint. */
  async latest(): Promise<Checkpoint | undefined> {
    return (await this.list()).checkpoints.at(-1);
  }

  /**
   * Writes a checkpoint: `fill` puts its files into a temporary folder, which is forced to the disk, gets its manifest
   * and then its name. A kill or a failure at any moment leaves the earlier checkpoints as they were.
   * @param options.expectedBytes refused at once when the disk has less
   * @throws {CheckpointError} when the disk is full or not writable; what `fill` throws otherwise
   */
  async write(
    step: number,
    fill: (dir: string) => Promise<void>,
    options: { readonly expectedBytes?: number } = {},
  ): Promise<Checkpoint> {
    const name = stepName(step);
    const dir = join(this.dir, name);
    const temporary = join(this.dir, `${temporaryPrefix}${name}`);
    try {
      await this.#checkSpace(options.expectedBytes ?? 0);
      await rm(temporary, { recursive: true, force: true });
      await mkdir(temporary);
      await fill(temporary);
      await seal(temporary, step);
      await this.#replace(temporary, name);
      return { step, dir };
    } catch (error) {
      await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
      const before = await this.latest().catch(() => undefined);
      const kept = before ? `; ${stepName(before.step)} is intact` : "";
      throw diskError(dir, error, `: this checkpoint is not written${kept}`);
    }
  }

  /** Removes what `rule` does not keep. The newest one is always kept. */
  async prune(rule: KeepRule): Promise<Checkpoint[]> {
    if (rule.saveLimit < 0) return [];
    const { checkpoints } = await this.list();
    const others = checkpoints.filter(({ step }) => step !== rule.bestStep);
    const newest = checkpoints.at(-1)?.step;
    const surplus = others.slice(0, Math.max(0, others.length - rule.saveLimit)).filter(({ step }) => step !== newest);
    for (const { step, dir } of surplus) {
      // Renamed first, so that a kill leaves no half-removed folder under a checkpoint's name.
      const doomed = join(this.dir, `${temporaryPrefix}removed-${stepName(step)}`);
      await rename(dir, doomed);
      await rm(doomed, { recursive: true, force: true });
    }
    return surplus;
  }

  async #checkSpace(expectedBytes: number): Promise<void> {
    if (expectedBytes === 0) return;
    const { bavail, bsize } = await statfs(this.dir);
    if (bavail * bsize >= expectedBytes) return;
    const error: NodeJS.ErrnoException = new Error(`expected ${expectedBytes} free bytes, got ${bavail * bsize}`);
    error.code = "ENOSPC";
    throw error;
  }

  async #replace(temporary: string, name: string): Promise<void> {
    const dir = join(this.dir, name);
    const old = join(this.dir, replacedPrefix + name);
    if (await exists(dir)) {
      await rm(old, { recursive: true, force: true });
      await rename(dir, old);
    }
    await rename(temporary, dir);
    await syncPath(this.dir);
    await rm(old, { recursive: true, force: true });
  }
}

/** `step-000120`. */
export function stepName(step: number): string {
  return `step-${step.toString().padStart(6, "0")}`;
}

/**
 * A checkpoint folder with a manifest whose files are all there in full.
 * @throws {CheckpointError} saying what is missing
 */
export async function openCheckpoint(dir: string): Promise<Checkpoint> {
  const { step, files } = await readManifest(dir);
  for (const [file, numBytes] of Object.entries(files)) {
    const size = await stat(join(dir, file)).then(
      (info) => info.size,
      () => undefined,
    );
    if (size !== numBytes)
      throw new CheckpointError(dir, `${file}: expected ${numBytes} bytes, got ${size ?? "no file"}`);
  }
  return { step, dir };
}

async function readManifest(dir: string): Promise<{ step: number; files: Record<string, number> }> {
  try {
    const manifest = JSON.parse(await readFile(join(dir, manifestFile), "utf8")) as Record<string, unknown> | null;
    const { version, step, files } = manifest ?? {};
    if (version !== manifestVersion || typeof step !== "number" || typeof files !== "object" || files === null) {
      throw new Error(`expected {version: ${manifestVersion}, step, files}`);
    }
    if (Object.keys(files).some((file) => file.startsWith("/") || file.split("/").includes(".."))) {
      throw new Error("expected files inside the folder");
    }
    return { step, files: files as Record<string, number> };
  } catch (error) {
    throw new CheckpointError(dir, `${manifestFile}: ${(error as Error).message}`, { cause: error });
  }
}

/** Forces every file to the disk, then writes the manifest that makes the folder valid. */
async function seal(dir: string, step: number): Promise<void> {
  const files: Record<string, number> = {};
  const folders = new Set([dir]);
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) folders.add(path);
    else {
      await syncPath(path);
      const name = path.slice(dir.length + 1);
      files[name.split(sep).join("/")] = (await stat(path)).size;
    }
  }
  for (const folder of folders) await syncPath(folder);
  await writeFileAtomic(
    join(dir, manifestFile),
    JSON.stringify({ version: manifestVersion, step, files }, null, 2) + "\n",
  );
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
