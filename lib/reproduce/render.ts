// The chosen tables and figures of what results there are, as files.
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { annotationCounts } from "../tables/annotations.ts";
import { reportFiles } from "../tables/render/report-files.ts";
import { writeFileAtomic } from "../trainer/durable-file.ts";
import { type KnownRun, resultsFor } from "./collect-results.ts";
import type { ErrorClassResult } from "../tables/results.ts";
import { type Selection, annotationsFile } from "./selection.ts";

/**
 * Gives the Markdown of each table.
 * @throws {ResultsError} for results that do not go together
 */
export async function renderTables(
  { tables, scale }: Selection,
  runs: readonly KnownRun[],
  out: string,
): Promise<string[]> {
  const dir = join(out, "tables");
  await mkdir(dir, { recursive: true });
  const annotated = await annotationsIn(out);
  const shown: string[] = [];
  for (const { definition, seeds } of tables) {
    const own = runs.filter(({ planned }) => planned.tables.includes(definition.name) && seeds.includes(planned.seed));
    const results = resultsFor(definition, own);
    const errorClasses = [...(results.errorClasses ?? []), ...annotated];
    const files = reportFiles(definition.make(scale, { ...results, errorClasses }));
    for (const [name, content] of Object.entries(files)) await writeFileAtomic(join(dir, name), content);
    shown.push(String(files[`${definition.name}.md`] ?? ""));
  }
  return shown;
}

/** Error classes that people gave, where there are any. */
async function annotationsIn(out: string): Promise<ErrorClassResult[]> {
  const file = join(out, annotationsFile);
  return existsSync(file) ? annotationCounts(await readFile(file, "utf8"), file) : [];
}
