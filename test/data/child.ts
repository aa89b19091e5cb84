// Runs a script against lib/data in a process of its own, so that memory can be measured and a crash or a hang is a
// result instead of the end of the test run. Node cannot load TypeScript in every supported version, hence the emit.
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import ts from "typescript";
import { onTestFinished } from "vitest";
import { packageRoot } from "../../lib/native/load.ts";

export interface ChildResult {
  /** Exit status; undefined when the time limit or a signal ended it. */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** A function that runs ES module source whose imports of `lib/...` (ending in .js) are this project's. */
export function childRunner(): (source: string, args: readonly string[]) => Promise<ChildResult> {
  const folder = mkdtempSync(join(tmpdir(), "papo-child-"));
  onTestFinished(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const sources = readdirSync(join(packageRoot, "lib", "data")).map((name) => `data/${name}`);
  for (const source of [...sources, "errors.ts"]) emit(source, folder);
  symlinkSync(join(packageRoot, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  return async (source, args) => {
    writeFileSync(join(folder, "script.js"), source);
    return run(["--max-old-space-size=512", "--expose-gc", join(folder, "script.js"), ...args]);
  };
}

function emit(source: string, folder: string): void {
  const text = readFileSync(join(packageRoot, "lib", source), "utf8");
  const compilerOptions = {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.ESNext,
    rewriteRelativeImportExtensions: true,
  };
  const target = join(folder, "lib", source.replace(/\.ts$/, ".js"));
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, ts.transpileModule(text, { compilerOptions }).outputText);
}

async function run(args: readonly string[]): Promise<ChildResult> {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { timeout: 60_000 });
    return { status: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: unknown; stdout: string; stderr: string };
    return { status: typeof code === "number" ? code : undefined, stdout, stderr };
  }
}
