// Evaluations below a folder: what `papo eval` wrote, over a data set or over benchmarks, as rows of a table.
import { basename, join, relative } from "node:path";
import type { EvaluationRow, Score } from "./api.ts";
import { isAbsent, namesInside, readInside, RefusedFileError } from "../run-folders/folder-files.ts";
import { type Fields, isFields, number, parseFields, text } from "./read-fields.ts";

const maxSummaryBytes = 16 * 2 ** 20;
const maxDepth = 3;
const maxFolders = 500;
/** Of a run folder, without evaluations in them. */
const passedOver = new Set(["checkpoints", "samples", "tensorboard", "data", "node_modules"]);

/** All evaluations in the folder and below it. */
export async function evaluationsIn(folder: string): Promise<EvaluationRow[]> {
  const rows: EvaluationRow[] = [];
  let numFolders = 0;
  const visit = async (name: string, depth: number): Promise<void> => {
    numFolders += 1;
    if (numFolders > maxFolders) return;
    const row = await evaluationAt(folder, name);
    if (row) {
      rows.push(row);
      return; // a benchmark's own folder has a summary too
    }
    if (depth === maxDepth) return;
    for (const entry of await foldersIn(folder, name)) await visit(join(name, entry), depth + 1);
  };
  await visit(".", 0);
  return rows;
}

async function foldersIn(folder: string, name: string): Promise<string[]> {
  // What is no folder, or a link out of this one, has no names in it.
  const entries = await namesInside(folder, name).catch(() => []);
  return entries.filter((entry) => !entry.startsWith(".") && !passedOver.has(entry) && !entry.includes("."));
}

async function evaluationAt(folder: string, name: string): Promise<EvaluationRow | undefined> {
  const summary = await readJson(folder, join(name, "summary.json"));
  if (!summary) return undefined;
  const settings = (await readJson(folder, join(name, "settings.json"))) ?? {};
  const path = join(folder, name);
  const known = { name: relative(folder, path) === "" ? basename(folder) : join(basename(folder), name), folder: path };
  if (Array.isArray(summary["benchmarks"])) return { ...known, ...benchmarkRow(summary) };
  if (isFields(summary["average"])) return { ...known, ...dataRow(summary, settings) };
  return undefined;
}

async function readJson(folder: string, name: string): Promise<Fields | undefined> {
  try {
    return parseFields((await readInside(folder, name, maxSummaryBytes)).toString("utf8"));
  } catch (error) {
    if (isAbsent(error) || error instanceof RefusedFileError) return undefined;
    throw error;
  }
}

type Cells = Omit<EvaluationRow, "name" | "folder">;

function benchmarkRow(summary: Fields): Cells {
  const benchmarks = (summary["benchmarks"] as unknown[]).filter(isFields);
  const n = number(benchmarks[0]?.["n"]) ?? 1;
  const averages = isFields(summary["averages"]) ? Object.entries(summary["averages"]) : [];
  const measure = (key: string): Record<string, Score> =>
    Object.fromEntries([
      ...benchmarks.flatMap((one) => scoreOf(text(one["name"]) || text(one["id"]), one, key)),
      ...averages.flatMap(([group, one]) => (isFields(one) ? scoreOf(`mean, ${group}`, one, key) : [])),
    ]);
  const identity = isFields(summary["identity"]) ? summary["identity"] : {};
  return {
    model: text(identity["model"]),
    settings: text(summary["settingsFingerprint"]),
    measures: {
      [`avg@${n}`]: measure("avgAtN"),
      [`pass@${n}`]: measure("passAtN"),
      [`majority@${n}`]: measure("majorityAtN"),
    },
  };
}

function scoreOf(column: string, fields: Fields, key: string): [string, Score][] {
  const value = number(fields[key]);
  if (value === null) return [];
  const interval = key === "avgAtN" && isFields(fields["interval"]) ? fields["interval"] : {};
  const [low, high] = [number(interval["low"]), number(interval["high"])];
  return [[column, { value, low, high, complete: fields["complete"] !== false }]];
}

function dataRow(summary: Fields, settings: Fields): Cells {
  const n = number(summary["n"]) ?? 1;
  const average = isFields(summary["average"]) ? summary["average"] : {};
  const scores = Object.entries(average).flatMap(([part, value]): [string, Score][] => {
    const known = number(value);
    return known === null ? [] : [[part, { value: known, low: null, high: null, complete: true }]];
  });
  return {
    model: text(settings["model"]),
    settings: text(settings["data"]),
    measures: { [`avg@${n}`]: Object.fromEntries(scores) },
  };
}
