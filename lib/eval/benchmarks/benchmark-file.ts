// A user's benchmarks: a YAML file with a map `benchmarks` of id -> settings.
import { dirname, resolve } from "node:path";
import { z } from "zod";
import { configError, type Problem, show, zodProblems } from "../../config/explain.ts";
import { builtInFormatPrompts, dataPath } from "../../config/paths.ts";
import { readSettings } from "../../config/read-yaml.ts";
import { didYouMean } from "../../config/suggest.ts";
import { toPlain } from "../../config/tree.ts";
import type { Branch } from "../../config/tree.ts";
import { type Benchmark, benchmarkIdRule, benchmarkSchema, type BenchmarkSettings, isBenchmarkId } from "./benchmark.ts"; // prettier-ignore

const fileSchema = z.strictObject({
  benchmarks: z
    .record(z.string(), benchmarkSchema, { error: "expected a map of benchmarks" })
    .refine((map) => Object.keys(map).length > 0, { error: "expected one benchmark or more" }),
});

/** @throws {ConfigError} with line and column: broken YAML, an unknown key, a value that breaks its rule */
export function readBenchmarkFile(path: string): readonly Benchmark[] {
  const root = readSettings(resolve(path), path, "own");
  const parsed = fileSchema.safeParse(toPlain(root));
  if (!parsed.success) throw configError(root, problemsOf(parsed.error, root));
  const entries = Object.entries(parsed.data.benchmarks);
  const problems = entries.flatMap(([id, settings]) => [...problemsIn(id, settings)]);
  if (problems.length > 0) throw configError(root, problems);
  return entries.map(([id, settings]) => ({ ...withPaths(settings, dirname(resolve(path))), id, name: settings.name ?? id })); // prettier-ignore
}

function problemsOf(error: z.ZodError, root: Branch): Problem[] {
  return error.issues.flatMap((issue) => {
    if (issue.code !== "unrecognized_keys") return zodProblems(new z.ZodError([issue]), root);
    const known = issue.path.length === 0 ? ["benchmarks"] : Object.keys(benchmarkSchema.shape);
    return issue.keys.map((key) => ({ path: [...issue.path, key], text: `unknown key${didYouMean(key, known)}` }));
  });
}

function* problemsIn(id: string, settings: BenchmarkSettings): Generator<Problem> {
  const path = ["benchmarks", id];
  if (!isBenchmarkId(id)) yield { path, text: `${benchmarkIdRule}, got ${show(id)}` };
  const numSources = [settings.data, settings.miniature].filter((source) => source !== undefined).length;
  if (numSources !== 1)
    yield { path, text: `expected data or miniature, got ${numSources === 0 ? "neither" : "both"}` };
}

function withPaths(settings: BenchmarkSettings, folder: string): BenchmarkSettings {
  const { data, imageDir, formatPrompt } = settings;
  const isFile = formatPrompt !== null && !builtInFormatPrompts.includes(formatPrompt);
  return {
    ...settings,
    ...(data === undefined ? {} : { data: dataPath(data, folder) }),
    ...(imageDir === undefined ? {} : { imageDir: resolve(folder, imageDir) }),
    formatPrompt: isFile ? resolve(folder, formatPrompt) : formatPrompt,
  };
}
