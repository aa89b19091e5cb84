// The built page (lib/dash/web, by vite), held in memory: a request names an entry of this list, never a path.
import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { packageRoot } from "../native/load.ts";

export interface WebFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly type: string;
}

/** By the request's path. */
export type WebFiles = ReadonlyMap<string, WebFile>;

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

export async function loadWebFiles(folder = join(packageRoot, "dist", "dash", "web")): Promise<WebFiles> {
  const files = new Map<string, WebFile>();
  for (const entry of await readdir(folder, { recursive: true })) {
    const type = types[extname(entry)];
    if (type === undefined) continue;
    const file = { bytes: new Uint8Array(await readFile(join(folder, entry))), type };
    const path = `/${entry.replaceAll("\\", "/")}`;
    files.set(path, file);
    if (path === "/index.html") files.set("/", file);
  }
  return files;
}
