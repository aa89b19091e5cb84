// What `papo reproduce --plan` prints: the runs, what is done of them, what is left, and what papo cannot do.
import type { KnownRun } from "./collect-results.ts";
import type { LeftOut, Selection } from "./selection.ts";

export interface PlanFacts {
  readonly selection: Selection;
  readonly runs: readonly KnownRun[];
  readonly out: string;
  /** E.g. `about 12 min left`. */
  readonly left: string;
}

/** Ends with a newline. */
export function planText({ selection, runs, out, left }: PlanFacts): string {
  const { tables, scale, leftOut } = selection;
  const broken = runs.flatMap(({ state }) => (state.kind === "unusable" ? [`  ${state.error.message}`] : []));
  return [
    ...tables.map(
      ({ definition: { name, title, reference }, seeds }) =>
        `${name}: ${title} (${reference}), scale ${scale}, ${seedsText(seeds)}`,
    ),
    `Results in ${out}.`,
    ...(runs.length === 0 ? [] : ["", ...runLines(runs)]),
    ...(broken.length === 0 ? [] : ["", "Cannot be gone on with; --rerun does them again:", ...broken]),
    ...(leftOut.length === 0 ? [] : ["", "Not run:", ...leftOut.map(leftOutLine)]),
    "",
    countLine(runs, left),
    "",
  ].join("\n");
}

function seedsText(seeds: readonly number[]): string {
  return seeds.length === 1 ? `seed ${seeds[0] ?? 1}` : `seeds 1 to ${seeds.length}`;
}

/** A line a run, a column a seed. */
function runLines(runs: readonly KnownRun[]): string[] {
  const seeds = [...new Set(runs.map(({ planned }) => planned.seed))].sort((a, b) => a - b);
  const keys = [...new Set(runs.map(keyOf))];
  const rows = keys.map((key) => {
    const of = runs.filter((known) => keyOf(known) === key);
    const states = seeds.map((seed) => stateText(of.find(({ planned }) => planned.seed === seed)));
    const [first] = of;
    if (!first) return [];
    const { run, tables } = first.planned;
    return [run.method, run.size, ...states, tables.join(" "), [run.recipe, ...run.overrides].join(" ")];
  });
  return alignLeft([
    ["Run", "Model", ...seeds.map((seed) => `seed ${seed}`), "for", "recipe and settings over it"],
    ...rows,
  ]);
}

const keyOf = ({ planned: { run } }: KnownRun) => `${run.method} ${run.size}`;

function stateText(known: KnownRun | undefined): string {
  if (!known) return "–";
  const { state, planned } = known;
  switch (state.kind) {
    case "new":
      return "to do";
    case "done":
      return "done";
    case "started":
      return `${state.step}/${planned.steps}`;
    case "unusable":
      return "unusable";
  }
}

function alignLeft(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  return rows.map((row) => `  ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join("  ")}`.trimEnd());
}

function leftOutLine({ table, run, reason }: LeftOut): string {
  return `  ${table}${run ? `, ${run.method} ${run.size}` : ""}: ${reason}`;
}

function countLine(runs: readonly KnownRun[], left: string): string {
  const count = (kind: KnownRun["state"]["kind"]) => runs.filter(({ state }) => state.kind === kind).length;
  const parts = [`${count("done")} done`, `${count("started")} under way`, `${count("new") + count("unusable")} to do`];
  return `${runs.length} runs: ${parts.join(", ")}; ${left}.`;
}
