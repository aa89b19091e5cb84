import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "./native/load.ts";

/** papo's version as in package.json. */
export function papoVersion(): string {
  const text = readFileSync(join(packageRoot, "package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
