// Benchmarks by name: the paper's nine columns, the miniature world's two groups, and those of a user's YAML file.
import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { didYouMean } from "../../config/suggest.ts";
import { ConfigError } from "../../errors.ts";
import { reasoningKinds } from "../../miniature/questions.ts";
import { faintInk } from "../../miniature/scene.ts";
import { type Benchmark, benchmarkSchema } from "./benchmark.ts";
import { readBenchmarkFile } from "./benchmark-file.ts";
import { evalRepository, type PublishedColumn, publishedColumns } from "./published.ts";

export interface ResolveBenchmarks {
  /**
   * A folder with data/images, and as PAPO-Eval prepares it also data/papo/*.json, without which the rows are the hub's.
   * Default: all from the hub.
   */
  readonly benchmarkData?: string | undefined;
}

const miniature: readonly Benchmark[] = [
  miniatureBenchmark("mini-general", "Mini general", "general", 1),
  miniatureBenchmark("mini-vision", "Mini vision", "vision-dependent", 0),
];

/** Names that `--benchmarks` knows, `all` for the paper's nine aside. */
export const benchmarkNames: readonly string[] = [...publishedColumns, ...miniature].map(({ id }) => id);

/**
 * The benchmarks that `words` name, separated by commas: `all` (the paper's nine), names, YAML files of a user.
 * @throws {ConfigError} for an unknown or repeated name, or what is wrong in a file
 */
export function resolveBenchmarks(words: string, options: ResolveBenchmarks = {}): readonly Benchmark[] {
  const root = options.benchmarkData === undefined ? undefined : preparedRoot(options.benchmarkData);
  const found = words.split(",").flatMap((word) => benchmarksOf(word.trim(), root));
  const ids = found.map(({ id }) => id);
  const repeated = ids.find((id, index) => ids.indexOf(id) < index);
  if (repeated === undefined) return found;
  throw new ConfigError("--benchmarks", `expected each benchmark once, got ${repeated} twice`);
}

function benchmarksOf(word: string, root: string | undefined): readonly Benchmark[] {
  if (/\.ya?ml$/u.test(word)) return readBenchmarkFile(word);
  if (word === "all") return publishedColumns.map((column) => publishedBenchmark(column, root));
  const column = publishedColumns.find(({ id }) => id === word);
  const found = column ? publishedBenchmark(column, root) : miniature.find(({ id }) => id === word);
  if (found) return [found];
  const got = JSON.stringify(word) + didYouMean(word, benchmarkNames);
  throw new ConfigError("--benchmarks", `expected all, a .yaml file, or names out of ${benchmarkNames.join(", ")}; got ${got}`); // prettier-ignore
}

/** The folder that picture paths of PAPO-Eval's rows (`./data/images/...`) start from. */
function preparedRoot(folder: string): string {
  const path = resolve(folder);
  const roots = [path, ...(basename(path) === "data" ? [dirname(path)] : [])];
  const root = roots.find((candidate) => existsSync(join(candidate, "data", "images")));
  if (root !== undefined) return root;
  throw new ConfigError("--benchmark-data", `expected a folder with data/images, as PAPO-Eval has it, got ${path}`);
}

function publishedBenchmark(column: PublishedColumn, root: string | undefined): Benchmark {
  const { id, name, group, rows, note, split, files, hub } = column;
  const shared = { group, rows, ...(note === undefined ? {} : { note }) };
  const rowsDir = root === undefined ? "" : join(root, "data", "papo");
  const prepared = existsSync(rowsDir) ? files.map((file) => join(rowsDir, file)) : [];
  const file = prepared.find((path) => existsSync(path));
  if (prepared.length > 0 && file === undefined && hub === undefined)
    throw new ConfigError("--benchmark-data", `${id}: expected ${prepared.join(" or ")}, got no such file`);
  // The rows of PAPO_eval hold the whole prompt, the format prompt included; those in columns the bare question.
  const conversation = { layout: "sharegpt", ...(root === undefined ? {} : { imageDir: root }) };
  const hubRows =
    hub === undefined
      ? { data: `${evalRepository}@${split ?? ""}`, ...conversation }
      : { data: hub, formatPrompt: "math_perception" };
  const source = file === undefined ? hubRows : { data: file, ...conversation };
  return { ...benchmarkSchema.parse({ ...shared, ...source }), id, name };
}

function miniatureBenchmark(id: string, name: string, group: Benchmark["group"], hintShare: number): Benchmark {
  return {
    ...benchmarkSchema.parse({ group, rows: 200, miniature: { hintShare, ink: faintInk, kinds: reasoningKinds } }),
    id,
    name,
  };
}
