// How widely responses look over the picture, by the masks that the model was trained with.
import { ResultsError } from "../errors.ts";
import { type Report, type TableDefinition, defaultSeeds } from "./definition.ts";
import { paperTable9 } from "./paper/table9.ts";
import { checkMeasured } from "./result-checks.ts";
import { type AttentionResult, type Results, isUnfinished } from "./results.ts";
import { type RowRun, type Scale, miniRuns, paperRuns, row } from "./runs.ts";
import { seedCell, seedNote, sourceText } from "./seed-cells.ts";
import { type Cell, type Column, type TableRow, absent, column, incomplete, number, text } from "./table.ts";

const sizes = ["3B", "7B"] as const;
const runs: TableDefinition["runs"] = {
  paper: sizes.flatMap((size) => [
    row(paperRuns.papoGGamma(size, "0.01"), "random"),
    row(paperRuns.papoGSemantic(size), "semantic"),
  ]),
  mini: [row(miniRuns.grpo, "none (GRPO)"), row(miniRuns.papoG, "random")],
};
const notes = [
  "Entropy of the mean attention over image tokens, divided by the log of their number: 1 is even, 0 one token.",
];

/** Attention entropy. */
export const table9: TableDefinition = {
  ...{ name: "table9", title: "Entropy of attention over the picture", reference: "Table 9", runs, notes },
  takes: "attention",
  metrics: [],
  seeds: defaultSeeds,
  make: makeTable,
};

function makeTable(scale: Scale, { attention = [] }: Results): Report {
  const isOf = (run: RowRun) => (result: AttentionResult) => result.run.method === run.method && result.run.size === run.size; // prettier-ignore
  const used = attention.filter((result) => runs[scale].some((run) => isOf(run)(result)));
  checkMeasured(used);
  used.forEach(checkEntropies);
  const found = [...new Set(used.map(({ benchmark }) => benchmark))];
  const benchmarks = found.length > 0 ? found : paperTable9.benchmarks;
  const rows = runs[scale].flatMap((run, index): TableRow[] => {
    const seeds = new Set(used.filter(isOf(run)).map((one) => one.run.seed));
    const cells = benchmarks.flatMap((benchmark) => entropyCells(used.filter((one) => isOf(run)(one) && one.benchmark === benchmark))); // prettier-ignore
    const rule = index > 0 && run.size !== runs[scale][index - 1]?.size;
    return [
      { cells: [text(run.size), text(run.label), text(sourceText(seeds.size)), ...cells], source: "ours", rule },
      ...paperRows(run, scale, benchmarks),
    ];
  });
  const title = "Entropy of attention over the picture (Table 9)";
  const hasSeeds = new Set(used.map(({ run }) => run.seed)).size > 1;
  const allNotes = [
    ...(hasSeeds ? [seedNote] : []),
    `Paper: ${paperTable9.source}; 100 samples a benchmark.`,
    ...notes,
  ];
  return { table: { name: "table9", title, columns: columnsOf(benchmarks), rows, notes: allNotes, footnotes: {} } };
}

function checkEntropies({ run, benchmark, mean: average, median, numSamples }: AttentionResult): void {
  const isShare = (value: number) => value >= 0 && value <= 1;
  if (numSamples < 1) throw new ResultsError("rows", `${run.id}: ${benchmark}: expected samples, got ${numSamples}`);
  if (!isShare(average) || !isShare(median))
    throw new ResultsError("value", `${run.id}: ${benchmark}: expected entropies from 0 to 1, got ${average} and ${median}`); // prettier-ignore
}

function columnsOf(benchmarks: readonly string[]): Column[] {
  const values = benchmarks.flatMap((group) =>
    ["mean", "median"].map((short): Column => ({ title: `${group} ${short}`, short, group, align: "right" })),
  );
  return [...["Model", "Masks in training", "Source"].map((title) => column(title, "left")), ...values];
}

/** Mean and median, each the mean over seeds. */
function entropyCells(seeds: readonly AttentionResult[]): Cell[] {
  if (seeds.some(({ run }) => isUnfinished(run))) return [incomplete, incomplete];
  return [seeds.map((one) => one.mean), seeds.map((one) => one.median)].map((values) => seedCell(values, 4));
}

function paperRows({ label, size }: RowRun, scale: Scale, benchmarks: readonly string[]): TableRow[] {
  const rows = paperTable9.rows.filter((row) => row.label === label && (scale === "mini" || row.size === size));
  return rows.map((row) => {
    const cells = benchmarks.flatMap((benchmark) => {
      const at = (paperTable9.benchmarks as readonly string[]).indexOf(benchmark);
      return at < 0 ? [absent, absent] : [number(row.values[2 * at], 4), number(row.values[2 * at + 1], 4)];
    });
    return { cells: [text(row.size), text(label), text("paper"), ...cells], source: "paper", rule: false };
  });
}
