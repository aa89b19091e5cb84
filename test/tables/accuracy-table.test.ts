import { expect, test } from "vitest";
import { accuracyTable } from "../../lib/tables/accuracy-table.ts";
import { toCsv } from "../../lib/tables/render/csv.ts";
import { toLatex } from "../../lib/tables/render/latex.ts";
import { toMarkdown } from "../../lib/tables/render/markdown.ts";
import { tables } from "../../lib/tables/registry.ts";
import type { EvaluationResult } from "../../lib/tables/results.ts";
import { abc, evaluation, runRef, score } from "./support.ts";

const run = (method: string, label: string) => ({
  method,
  size: "mini",
  label,
  recipe: "miniature-grpo",
  overrides: [],
});
const small = accuracyTable({
  name: "small",
  title: "A & B_1 | 50 %",
  reference: "Table 0",
  columns: { benchmarks: true, averages: true, gains: true, overall: true },
  paper: {
    source: "a <test>",
    unit: "% correct",
    averaged: "means of $x^2$, ~5 \\ line",
    benchmarks: [
      { name: "a", group: "general" },
      { name: "b", group: "general" },
      { name: "c", group: "vision-dependent" },
    ],
    rows: [
      { label: "base", size: "3B", printed: { a: 40, b: 60, c: 20, "AVG:general": 50, "AVG:vision-dependent": 20, "AVG:overall": 40 } }, // prettier-ignore
      // gains 25 % and 5 %: 15; 50 %; over all 80 / 3 = 26.67
      { label: 'PAPO_{γ} "x", #1', size: "3B", baseline: "base", remark: "collapsed", printed: { a: 50, b: 63, c: 30, "AVG:general": 56.5, "Δ:general": 15, "Δ:vision-dependent": 40, "Δ:overall": 26.67 } }, // prettier-ignore
    ],
  },
  runs: {
    paper: [],
    mini: [run("base", "base"), { ...run("papo", 'PAPO_{γ} "x", #1'), baseline: "base" }, run("other", "other")],
  },
  notes: ["Note of [the] table."],
});

const twoSeeds: readonly EvaluationResult[] = [
  // a 40, b 60, c 20 and a 42, b 60, c 22: means 41, 60, 21
  abc(runRef("base"), 40, 60, 20),
  abc(runRef("base", { seed: 2 }), 42, 60, 22),
  // the gains of the means: a 50 / 41, b 63 / 60, c 31.5 / 21
  abc(runRef("papo"), 49, 63, 30),
  abc(runRef("papo", { seed: 2 }), 51, 63, 33),
];

test("a small table in Markdown", () => {
  // ± of a: deviations of 1 around 41, standard deviation 1.4142, by the root of 2: 1; t of 1 degree 12.71
  // AVG over all: 40 and 41.333, half a difference of 0.6667 x 12.7062 = 8.47
  // Δ of a: 50 / 41 = 21.951 %, b 5 %, mean 13.48; by seed 13.75 and (21.429 + 5) / 2 = 13.214: 0.268 x 12.7062 = 3.40
  expect(toMarkdown(small.make("mini", { evaluations: twoSeeds }).table)).toBe(`### A &amp; B\\_1 \\| 50 % (Table 0)

| Model | Method | Source | a | b | General AVG | General Δ % | c | Vision-dependent AVG | Vision-dependent Δ % | Overall AVG | Overall Δ % |
| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| mini | base | ours, 2 seeds | 41.00 ± 12.71 | 60.00 ± 0.00 | 50.50 ± 6.35 | – | 21.00 ± 12.71 | 21.00 ± 12.71 | – | 40.67 ± 8.47 | – |
| 3B | base | paper | 40.00 | 60.00 | 50.00 | – | 20.00 | 20.00 | – | 40.00 | – |
| mini | PAPO\\_{γ} "x", \\#1 | ours, 2 seeds | 50.00 ± 12.71 | 63.00 ± 0.00 | 56.50 ± 6.35 | 13.48 ± 3.40 | 31.50 ± 19.06 | 31.50 ± 19.06 | 50.00 ± 0.00 | 48.17 ± 10.59 | 25.65 ± 2.27 |
| 3B | PAPO\\_{γ} "x", \\#1 | paper (collapsed) | 50.00 | 63.00 | 56.50 | 15.00 | 30.00 | – | 50.00<sup>a</sup> | – | 26.67 |
| mini | other | not run | – | – | – | – | – | – | – | – | – |

- <sup>a</sup> recomputed from the row's own columns; the paper prints 40.00
- Ours: avg@8, % correct, mean over seeds; averages and Δ are formed as the paper's.
- ± is half the 95 % t interval over seeds; of Δ, over the gains of equal seeds of run and baseline.
- Paper: a &lt;test>; % correct; means of $x^2$, \\~5 \\\\ line.
- The miniature is another task than the paper's: compare signs and orders, not values.
- Note of \\[the\\] table.
`);
});

test("a small table in CSV: half-widths in columns of their own, footnotes in the last", () => {
  expect(toCsv(small.make("mini", { evaluations: twoSeeds }).table)).toBe(
    [
      "Model,Method,Source,a,a ±,b,b ±,General AVG,General AVG ±,General Δ %,General Δ % ±,c,c ±,Vision-dependent AVG,Vision-dependent AVG ±,Vision-dependent Δ %,Vision-dependent Δ % ±,Overall AVG,Overall AVG ±,Overall Δ %,Overall Δ % ±,Notes",
      'mini,base,"ours, 2 seeds",41.00,12.71,60.00,0.00,50.50,6.35,,,21.00,12.71,21.00,12.71,,,40.67,8.47,,,',
      "3B,base,paper,40.00,,60.00,,50.00,,,,20.00,,20.00,,,,40.00,,,,",
      'mini,"PAPO_{γ} ""x"", #1","ours, 2 seeds",50.00,12.71,63.00,0.00,56.50,6.35,13.48,3.40,31.50,19.06,31.50,19.06,50.00,0.00,48.17,10.59,25.65,2.27,',
      '3B,"PAPO_{γ} ""x"", #1",paper (collapsed),50.00,,63.00,,56.50,,15.00,,30.00,,,,50.00,,,,26.67,,Vision-dependent Δ %: recomputed from the row\'s own columns; the paper prints 40.00',
      "mini,other,not run,,,,,,,,,,,,,,,,,,,",
      "",
    ].join("\n"),
  );
});

test("a small table in LaTeX: groups of columns under one heading, special characters escaped", () => {
  const latex = toLatex(small.make("mini", { evaluations: twoSeeds.slice(0, 1) }).table);
  expect(latex).toBe(String.raw`% \usepackage{booktabs,graphicx}
\begin{table*}[t]
\centering
\caption{A \& B\_1 | 50 \% (Table 0)}
\label{tab:small}
\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%
\begin{tabular}{@{}lllrrrrrrrrr@{}}
\toprule
\multicolumn{3}{l}{} & \multicolumn{4}{c}{General} & \multicolumn{3}{c}{Vision-dependent} & \multicolumn{2}{c}{Overall} \\
\cmidrule(lr){4-7} \cmidrule(lr){8-10} \cmidrule(lr){11-12}
Model & Method & Source & a & b & AVG & $\Delta$ \% & c & AVG & $\Delta$ \% & AVG & $\Delta$ \% \\
\midrule
mini & base & ours & $40.00$ & $60.00$ & $50.00$ & -- & $20.00$ & $20.00$ & -- & $40.00$ & -- \\
3B & base & paper & $40.00$ & $60.00$ & $50.00$ & -- & $20.00$ & $20.00$ & -- & $40.00$ & -- \\
mini & PAPO\_\{$\gamma$\} "x", \#1 & not run & -- & -- & -- & -- & -- & -- & -- & -- & -- \\
3B & PAPO\_\{$\gamma$\} "x", \#1 & paper (collapsed) & $50.00$ & $63.00$ & $56.50$ & $15.00$ & $30.00$ & -- & $50.00^{a}$ & -- & $26.67$ \\
mini & other & not run & -- & -- & -- & -- & -- & -- & -- & -- & -- \\
\bottomrule
\end{tabular}}

\smallskip
\begin{minipage}{\linewidth}\footnotesize
$^{a}$ recomputed from the row's own columns; the paper prints 40.00.\\
Ours: avg@8, \% correct, mean over seeds; averages and $\Delta$ are formed as the paper's.\\
Paper: a \textless{}test\textgreater{}; \% correct; means of \$x\textasciicircum{}2\$, \textasciitilde{}5 \textbackslash{} line.\\
The miniature is another task than the paper's: compare signs and orders, not values.\\
Note of [the] table.
\end{minipage}
\end{table*}
`);
});

/** Our row of a label, in Markdown. */
function ours(evaluations: readonly EvaluationResult[], label = "base"): string {
  const lines = toMarkdown(small.make("mini", { evaluations }).table).split("\n");
  return lines.find((line) => line.startsWith(`| mini | ${label}`)) ?? "";
}

test("a benchmark that is not evaluated to its end, and every average over it, is incomplete and no number", () => {
  const half = score("b", null, { numEvaluated: 20, complete: false });
  const cells = ours([evaluation(runRef("base"), [score("a", 40), half, score("c", 20)])]);
  expect(cells).toBe(
    "| mini | base | ours | 40.00 | incomplete | incomplete | – | 20.00 | 20.00 | – | incomplete | – |",
  );
});

test("a model whose training has not ended has no number anywhere", () => {
  const cells = ours([abc(runRef("base", { step: 7 }), 40, 60, 20)]);
  expect(cells.match(/incomplete/gu)).toHaveLength(6);
  expect(cells).not.toMatch(/\d/u);
});

test("one incomplete seed makes the mean incomplete", () => {
  const cells = ours([abc(runRef("base"), 40, 60, 20), abc(runRef("base", { seed: 2, step: 7 }), 41, 60, 20)]);
  expect(cells).not.toMatch(/\d\.\d/u);
});

test("a gain over a baseline that is incomplete is incomplete", () => {
  const cells = ours([abc(runRef("base", { step: 7 }), 40, 60, 20), abc(runRef("papo"), 49, 63, 30)], "PAPO");
  expect(cells).toContain("| 56.00 | incomplete | 30.00 | 30.00 | incomplete | 47.33 | incomplete |");
});

test("gains have no interval when run and baseline have other seeds", () => {
  const [first, second] = twoSeeds;
  const others = [3, 4].map((seed) => abc(runRef("papo", { seed }), 49, 63, 30));
  expect(
    ours(
      [first, second, ...others].flatMap((one) => one ?? []),
      "PAPO",
    ),
  ).toContain("| 12.26 | 30.00 ± 0.00 |");
});

test("with one seed a benchmark has its own interval over rows, an average none", () => {
  const a = score("a", 40, { interval: { low: 37, high: 42 } });
  const cells = ours([evaluation(runRef("base"), [a, score("b", 60), score("c", 20)])]);
  expect(cells).toContain("| 40.00 ± 2.50 | 60.00 | 50.00 | – |");
});

test("results of other methods, sizes and suites are left alone", () => {
  const others = [
    abc(runRef("elsewhere"), 1, 2, 3),
    abc(runRef("base", { size: "3B" }), 1, 2, 3),
    { ...abc(runRef("base"), 1, 2, 3), suite: "MMLU-Pro" as const, settings: "other" },
  ];
  expect(ours(others)).toContain("| not run |");
});

test("the paper's columns need not be the results': Table 1 in the miniature keeps the paper's averages", () => {
  const { table1 } = tables;
  const table = table1?.make("mini", { evaluations: [abc(runRef("grpo"), 40, 60, 20)] }).table;
  const rows = table?.rows.map(({ cells }) => cells.map((cell) => (cell.kind === "number" ? cell.value : cell.kind)));
  // a, b, AVG, Δ, c, AVG, Δ, AVG, Δ
  expect(rows?.[0]?.slice(3)).toEqual([40, 60, 50, "absent", 20, 20, "absent", 40, "absent"]);
  expect(rows?.[1]?.slice(3)).toEqual([
    "absent",
    "absent",
    51.89,
    "absent",
    "absent",
    42.97,
    "absent",
    47.92,
    "absent",
  ]);
});
