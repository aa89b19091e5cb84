// An evaluation's folder as papo eval wrote it: per benchmark its summary and the accuracy of each row.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../../errors.ts";
import type { BenchmarkItem } from "../benchmarks/item.ts";
import type { BenchmarkSummary } from "../benchmarks/summary.ts";
import { evalPaths, readItems } from "../eval-files.ts";

export interface EvaluatedBenchmark {
  readonly summary: BenchmarkSummary;
  /** What the items depend on, as settings.json has it. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** By row id. */
  readonly rows: ReadonlyMap<string, { readonly accuracy: number; readonly rowHash: string }>;
}

/**
 * The evaluated benchmarks of a folder by id.
 * @throws {ConfigError} when there is none, {DataError} for a broken items file
 */
export async function readEvaluation(dir: string): Promise<ReadonlyMap<string, EvaluatedBenchmark>> {
  const entries = await readdir(dir, { withFileTypes: true }).catch((error: unknown) => {
    throw new ConfigError(dir, `cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  });
  const found = new Map<string, EvaluatedBenchmark>();
  for (const name of entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort()) {
    const paths = evalPaths(join(dir, name));
    const summary = await readJson<BenchmarkSummary>(paths.summary);
    const settings = await readJson<Record<string, unknown>>(paths.settings);
    if (summary && settings) found.set(name, { summary, settings, rows: await rowsOf(paths.items) });
  }
  if (found.size > 0) return found;
  throw new ConfigError(dir, "expected the --out folder of a finished papo eval --benchmarks");
}

async function rowsOf(file: string) {
  const rows = new Map<string, { accuracy: number; rowHash: string }>();
  for await (const { id, rowHash, responses } of readItems<BenchmarkItem>(file)) {
    const numCorrect = responses.filter(({ correct }) => correct).length;
    rows.set(id, { accuracy: numCorrect / Math.max(1, responses.length), rowHash });
  }
  return rows;
}

async function readJson<T>(path: string): Promise<T | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new ConfigError(path, `expected JSON: ${(error as Error).message}`);
  }
}
