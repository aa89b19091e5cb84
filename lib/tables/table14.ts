// What the perception loss costs: seconds a training step, and the part of them that is the masked forward pass.
import { type Report, type TableDefinition, defaultSeeds } from "./definition.ts";
import type { BarPanel } from "./figure.ts";
import { paperTable14 } from "./paper/table14.ts";
import { checkCurves } from "./result-checks.ts";
import type { Results } from "./results.ts";
import { type RowRun, type Scale, miniRuns, paperRuns, row } from "./runs.ts";
import { seedCell, seedNote, sourceText } from "./seed-cells.ts";
import { halfWidth95, mean } from "./statistics.ts";
import { type StepTimes, paperTimes, stepTimes } from "./step-times.ts";
import { type Cell, type TableRow, absent, column, incomplete, number, text } from "./table.ts";

const sizes = ["3B", "7B"] as const;
const runs: TableDefinition["runs"] = {
  paper: sizes.flatMap((size) => [row(paperRuns.grpo(size), "GRPO"), row(paperRuns.papoG(size), "PAPO_G", "GRPO")]),
  mini: [
    ...[row(miniRuns.grpo, "GRPO"), row(miniRuns.papoG, "PAPO_G", "GRPO")],
    ...[row(miniRuns.dapo, "DAPO"), row(miniRuns.papoD, "PAPO_D", "DAPO")],
  ],
};
const notes = [
  "Mean over all steps of a run, validation and checkpoints apart; ten steps or more.",
  "Beyond the forward pass, the difference to the baseline is making and preparing the masked pictures.",
  "Compare times on one machine only.",
];

/** Time a step with and without PAPO. */
export const table14: TableDefinition = {
  ...{ name: "table14", title: "Time of a training step", reference: "Table 14", runs, notes },
  ...{ takes: "metrics", metrics: ["timing_s/step", "timing_s/aug_probs"], seeds: defaultSeeds, make: makeTable },
};

function makeTable(scale: Scale, { runs: results = [] }: Results): Report {
  const used = results.filter(({ run }) => runs[scale].some(({ method, size }) => method === run.method && size === run.size)); // prettier-ignore
  checkCurves(used);
  const pairs = runs[scale].map((run) => ({ run, times: stepTimes(run, used) }));
  const ours = pairs.map(({ times }) => times);
  const rows = pairs.flatMap(({ run, times }, index): TableRow[] => {
    const paper = paperTimes.filter(
      ({ label, size }) => label === run.label && (scale === "mini" || size === run.size),
    );
    const isNewBaseline = index > 0 && run.baseline === undefined;
    return [
      { ...tableRow(times, baselineOf(run, times, ours)), rule: isNewBaseline },
      ...paper.map((one) => ({ ...tableRow(one, baselineOf(run, one, paperTimes)), rule: false })),
    ];
  });
  const timed = ours.filter(({ step }) => step.length > 0);
  const title = "Time of a training step (Table 14)";
  const seedNotes = timed.some(({ step }) => step.length > 1) ? [seedNote] : [];
  const caption = [...seedNotes, `Paper: ${paperTable14.source}; 3B on 2, 7B on 4 H100.`, ...notes];
  const panels = [...(timed.length > 0 ? [barPanel("ours", timed)] : []), barPanel("paper", paperTimes)];
  return {
    table: { name: "table14", title, columns, rows, notes: caption, footnotes: {} },
    figure: { name: "table14", title, panels, panelColumns: 2, legend: "shared", caption },
  };
}

const columns = [
  ...["Model", "Method", "Source"].map((title) => column(title, "left")),
  ...["step, s", "masked forward, s", "step - baseline, s", "overhead, %"].map((title) => column(title, "right")),
];

function baselineOf(run: RowRun, { size }: StepTimes, all: readonly StepTimes[]): StepTimes | undefined {
  return all.find((other) => other.label === run.baseline && other.size === size);
}

function tableRow(times: StepTimes, baseline: StepTimes | undefined): Omit<TableRow, "rule"> {
  const { label, size, source, numSeeds, step, augForward } = times;
  const shown = source === "paper" ? "paper" : sourceText(numSeeds);
  const isIncomplete = numSeeds > 0 && step.length === 0;
  const own = isIncomplete ? [incomplete, incomplete] : [seedCell(step, 1), seedCell(augForward, 1)];
  return { cells: [text(size), text(label), text(shown), ...own, ...differenceCells(times, baseline)], source };
}

/** Seconds more than the baseline, and the same in %. */
function differenceCells({ step, numSeeds }: StepTimes, baseline: StepTimes | undefined): Cell[] {
  if (!baseline || baseline.numSeeds === 0 || numSeeds === 0) return [absent, absent];
  if (step.length === 0 || baseline.step.length === 0) return [incomplete, incomplete];
  const [own, before] = [mean(step), mean(baseline.step)];
  return [number(own - before, 1), number((own / before - 1) * 100, 1)];
}

function barPanel(title: string, times: readonly StepTimes[]): BarPanel {
  const nameOf = ({ label, size }: StepTimes) => `${label}, ${size}`;
  const masked = times.map(({ augForward }) => (augForward.length > 0 ? mean(augForward) : null));
  return {
    ...{ kind: "bars", title, yLabel: "seconds", categories: times.map(nameOf), digits: 1 },
    series: [
      {
        label: "step",
        values: times.map(({ step }) => mean(step)),
        halfWidths: times.map(({ step }) => halfWidth95(step)),
      },
      { label: "masked forward", values: masked },
    ],
  };
}
