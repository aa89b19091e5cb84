// LaTeX with booktabs: a table* float, groups of columns under one heading, notes below in a minipage.
import type { Cell, Column, Table } from "../table.ts";
import { numberTexts } from "./number-text.ts";

/** Needs `\usepackage{booktabs}`; as wide as the page. */
export function toLatex({ name, title, columns, rows, notes, footnotes }: Table): string {
  const line = (cells: readonly string[]) => `${cells.join(" & ")} \\\\`;
  const below = [
    ...Object.entries(footnotes).map(([letter, footnote]) => `$^{${letter}}$ ${escapeLatex(footnote)}.`),
    ...notes.map(escapeLatex),
  ];
  return [
    "% \\usepackage{booktabs,graphicx}",
    "\\begin{table*}[t]",
    "\\centering",
    `\\caption{${escapeLatex(title)}}`,
    `\\label{tab:${name}}`,
    "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%",
    `\\begin{tabular}{@{}${columns.map(({ align }) => align.charAt(0)).join("")}@{}}`,
    "\\toprule",
    ...groupHeading(columns),
    line(columns.map(({ short }) => escapeLatex(short))),
    "\\midrule",
    ...rows.flatMap(({ cells, rule }) => [...(rule ? ["\\midrule"] : []), line(cells.map(cellText))]),
    "\\bottomrule",
    "\\end{tabular}}",
    ...(below.length > 0
      ? ["", "\\smallskip", "\\begin{minipage}{\\linewidth}\\footnotesize", below.join("\\\\\n"), "\\end{minipage}"]
      : []),
    "\\end{table*}",
    "",
  ].join("\n");
}

/** The headings over groups of columns, and the rules below them. */
function groupHeading(columns: readonly Column[]): string[] {
  if (columns.every(({ group }) => group === undefined)) return [];
  const spans: { group: string | undefined; first: number; count: number }[] = [];
  for (const [index, { group }] of columns.entries()) {
    const span = spans.at(-1);
    if (span && span.group === group) span.count += 1;
    else spans.push({ group, first: index + 1, count: 1 });
  }
  const headings = spans.map(({ group, count }) =>
    group === undefined ? `\\multicolumn{${count}}{l}{}` : `\\multicolumn{${count}}{c}{${escapeLatex(group)}}`,
  );
  const rules = spans
    .filter(({ group }) => group !== undefined)
    .map(({ first, count }) => `\\cmidrule(lr){${first}-${first + count - 1}}`);
  return [`${headings.join(" & ")} \\\\`, rules.join(" ")];
}

function cellText(cell: Cell): string {
  if (cell.kind === "text") return escapeLatex(cell.text);
  if (cell.kind === "incomplete") return "\\emph{incomplete}";
  if (cell.kind === "absent") return "--";
  const { value, halfWidth } = numberTexts(cell);
  const mark = cell.mark === undefined ? "" : `^{${cell.mark}}`;
  return `$${value}${mark}${halfWidth === undefined ? "" : ` \\pm ${halfWidth}`}$`;
}

const commands: Readonly<Record<string, string>> = {
  "\\": "\\textbackslash{}",
  "~": "\\textasciitilde{}",
  "^": "\\textasciicircum{}",
  "<": "\\textless{}",
  ">": "\\textgreater{}",
  "±": "$\\pm$",
  "–": "--",
  Δ: "$\\Delta$",
  β: "$\\beta$",
  γ: "$\\gamma$",
  η: "$\\eta$",
};

/** Text that is typeset as it stands. */
export function escapeLatex(text: string): string {
  return text
    .replace(/[\\~^<>±–Δβγη]|[{}$&%#_]/gu, (character) => commands[character] ?? `\\${character}`)
    .replace(/\s*[\r\n]+\s*/gu, " ");
}
