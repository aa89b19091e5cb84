import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { NativeModuleError } from "../errors.ts";
import type { NativeModule } from "./binding.ts";

let loaded: NativeModule | undefined;

/** The package's own folder, from lib/native or dist/native. */
export const packageRoot = dirname(dirname(import.meta.dirname));

/**
 * The native module, loaded at first use.
 * @throws {NativeModuleError} with what was tried and what to do
 */
export function loadNative(): NativeModule {
  if (loaded) return loaded;
  const require = createRequire(import.meta.url);
  const attempts: string[] = [];
  for (const path of [join(packageRoot, "build", "Release", "papo.node")]) {
    if (!existsSync(path)) {
      attempts.push(`${path}: not there`);
      continue;
    }
    try {
      loaded = require(path) as NativeModule;
      return loaded;
    } catch (error) {
      attempts.push(`${path}: ${(error as Error).message}`);
    }
  }
  throw new NativeModuleError("papo's native module could not be loaded.", attempts, [
    "run `npm run setup` in papo's folder: it prepares libtorch and builds the module",
    "run `papo doctor` for what is missing",
  ]);
}
