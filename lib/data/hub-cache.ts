// The cache folder that all Hugging Face tools share: blobs by content hash, snapshots of links to them, refs.
import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, mkdir, open, readFile, readdir, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";

/** A file of a repository as the hub lists it. */
export interface HubFile {
  /** Relative, with `/`. */
  readonly path: string;
  readonly size: number;
  /** SHA-256 of the content when it is stored apart (LFS), else the git blob's SHA-1. */
  readonly hash: string;
}

export interface HubRepo {
  readonly type: "model" | "dataset";
  readonly id: string;
  /** Branch, tag or commit. */
  readonly revision: string;
}

/** Bytes of the file from `start` on. */
export type OpenFile = (start: number) => Promise<AsyncIterable<Uint8Array>>;

export class HubCache {
  readonly folder: string;

  constructor(cacheDir: string, repo: HubRepo) {
    this.folder = join(cacheDir, [`${repo.type}s`, ...repo.id.split("/")].join("--"));
  }

  /** Where links of snapshots lead. */
  get blobs(): string {
    return join(this.folder, "blobs");
  }

  snapshot(commit: string): string {
    return join(this.folder, "snapshots", commit);
  }

  /** The commit that a revision meant when it was last looked up. */
  async commitOf(revision: string): Promise<string | undefined> {
    const noted = await readFile(join(this.folder, "refs", revision), "utf8").catch(() => undefined);
    const commit = noted?.trim() ?? revision;
    const isThere = /^[0-9a-f]{40}$/.test(commit) && (await stat(this.snapshot(commit)).catch(() => undefined));
    return isThere ? commit : undefined;
  }

  async noteCommit(revision: string, commit: string): Promise<void> {
    if (revision === commit) return;
    const path = join(this.folder, "refs", revision);
    await mkdir(dirname(path), { recursive: true });
    const written = `${path}.${randomUUID()}`;
    await writeFile(written, commit);
    await rename(written, path);
  }

  /** Files of a snapshot, relative and with `/`. */
  async files(commit: string): Promise<string[]> {
    const root = this.snapshot(commit);
    const entries = await readdir(root, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => !entry.isDirectory());
    return files.map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join("/"));
  }

  /**
   * Puts a file into a snapshot; downloads it when its content is not there yet, going on where an earlier download
   * stopped. The content gets its place only when size and hash are right.
   */
  async add(commit: string, file: HubFile, openFile: OpenFile, onBytes: (bytes: number) => void): Promise<void> {
    checkNames(file);
    const blob = join(this.blobs, file.hash);
    const link = join(this.snapshot(commit), file.path);
    if (await stat(link).catch(() => undefined)) return;
    await mkdir(this.blobs, { recursive: true });
    await mkdir(dirname(link), { recursive: true });
    if (!(await stat(blob).catch(() => undefined))) await this.#download(file, blob, openFile, onBytes);
    // Other processes may put the same file here: none of them ever finds half of it.
    const made = `${link}.${randomUUID()}`;
    // File systems without links get a copy, as from the Python tools.
    await symlink(relative(dirname(link), blob), made).catch(() => copyFile(blob, made));
    await rename(made, link);
  }

  async #download(file: HubFile, blob: string, openFile: OpenFile, onBytes: (bytes: number) => void): Promise<void> {
    // A name of this download's own, so that no other process writes to the file.
    const partial = `${blob}.${process.pid}.${randomUUID()}${incomplete}`;
    await this.#takeOver(file.hash, partial);
    let size: number;
    try {
      size = await receive(file, partial, openFile, onBytes);
    } catch (error) {
      await rename(partial, `${blob}${incomplete}`).catch(() => undefined);
      throw error;
    }
    const found = await contentHash(file, partial);
    if (size === file.size && found === file.hash) {
      await rename(partial, blob);
      return;
    }
    await rm(partial);
    throw new Error(`${file.path}: expected ${file.size} bytes with hash ${file.hash}, got ${size} with ${found}`);
  }

  /** Renames what an earlier download left of the content, unless its process is still at it. */
  async #takeOver(hash: string, partial: string): Promise<void> {
    for (const name of await readdir(this.blobs)) {
      if (!name.startsWith(`${hash}.`) || !name.endsWith(incomplete)) continue;
      const [, pid] = name.slice(0, -incomplete.length).split(".");
      if (pid !== undefined && isRunning(Number(pid))) continue;
      if (await rename(join(this.blobs, name), partial).then(() => true, () => false)) return; // prettier-ignore
    }
  }
}

const incomplete = ".incomplete";

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Completes `partial`; gives its size, which is above the file's when the hub sends too much. */
async function receive(
  file: HubFile,
  partial: string,
  openFile: OpenFile,
  onBytes: (bytes: number) => void,
): Promise<number> {
  const held = (await stat(partial).catch(() => undefined))?.size ?? 0;
  const start = held <= file.size ? held : 0;
  const handle = await open(partial, start > 0 ? "a" : "w");
  let size = start;
  onBytes(start);
  try {
    if (size < file.size)
      for await (const chunk of await openFile(start)) {
        size += chunk.length;
        if (size > file.size) break;
        await handle.write(chunk);
        onBytes(chunk.length);
      }
    await handle.sync();
  } finally {
    await handle.close();
  }
  return size;
}

/** Of the finished file, whatever was received. */
async function contentHash(file: HubFile, path: string): Promise<string> {
  const isSha256 = file.hash.length === 64;
  const hash = createHash(isSha256 ? "sha256" : "sha1");
  if (!isSha256) hash.update(`blob ${file.size}\0`);
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** Names come from the hub: none may lead out of the cache. */
function checkNames({ path, hash }: HubFile): void {
  const parts = path.split(/[/\\]/);
  if (parts.some((part) => part === "" || part === "." || part === "..") || /[:\0\\]/.test(path))
    throw new Error(`${JSON.stringify(path)}: not a file name inside a repository`);
  if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(hash)) throw new Error(`${path}: ${JSON.stringify(hash)} is no hash`);
}
