// The chosen tables and figures of what results there are, as files.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { reportFiles } from "../tables/render/report-files.ts";
import { writeFileAtomic } from "../trainer/durable-file.ts";
import { type KnownRun, resultsFor } from "./collect-results.ts";
import type { Selection } from "./selection.ts";

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
  const shown: string[] = [];
  for (const { definition, seeds } of tables) {
    const own = runs.filter(({ planned }) => planned.tables.includes(definition.name) && seeds.includes(planned.seed));
    const files = reportFiles(definition.make(scale, resultsFor(definition, own)));
    for (const [name, content] of Object.entries(files)) await writeFileAtomic(join(dir, name), content);
    shown.push(String(files[`${definition.name}.md`] ?? ""));
  }
  return shown;
}
