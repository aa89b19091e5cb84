import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { loadRunConfig } from "../../lib/config/load.ts";
import { ConfigError } from "../../lib/errors.ts";

/** A folder for the test that calls it, with the files given by name. */
export function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), "papo-config-"));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

/** The run of one file of the text given. */
export function runOf(text: string, ...overrides: string[]) {
  return loadRunConfig(["run.yaml", ...overrides], { cwd: folderWith({ "run.yaml": text }) });
}

/** The error that loading ends in. */
export function errorOf(load: () => unknown): ConfigError {
  try {
    load();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error("expected a ConfigError, got none");
}

/** The smallest run: group size and minibatch sizes that fit each other. */
export const minimal = "model: { path: some/model }\nrollout: { n: 2 }\n";
