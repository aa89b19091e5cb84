// GitHub's Markdown: a table, its footnotes and notes below.
import type { Cell, Table } from "../table.ts";
import { numberTexts } from "./number-text.ts";

export function toMarkdown({ title, columns, rows, notes, footnotes }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const below = [
    ...Object.entries(footnotes).map(([letter, footnote]) => `- <sup>${letter}</sup> ${escapeMarkdown(footnote)}`),
    ...notes.map((note) => `- ${escapeMarkdown(note)}`),
  ];
  return [
    `### ${escapeMarkdown(title)}`,
    "",
    line(columns.map((column) => escapeMarkdown(column.title))),
    line(columns.map(({ align }) => (align === "right" ? "---:" : "---"))),
    ...rows.map(({ cells }) => line(cells.map(cellText))),
    ...(below.length > 0 ? ["", ...below] : []),
    "",
  ].join("\n");
}

function cellText(cell: Cell): string {
  if (cell.kind === "text") return escapeMarkdown(cell.text);
  if (cell.kind === "incomplete") return "incomplete";
  if (cell.kind === "absent") return "–";
  const { value, halfWidth } = numberTexts(cell);
  const mark = cell.mark === undefined ? "" : `<sup>${cell.mark}</sup>`;
  return value + mark + (halfWidth === undefined ? "" : ` ± ${halfWidth}`);
}

/** Text that shows as it stands, also inside a cell. */
export function escapeMarkdown(text: string): string {
  return text
    .replace(/[\\`*_[\]|~#]/gu, "\\$&")
    .replace(/&/gu, "&amp;")
    .replace(/</gu, "&lt;")
    .replace(/\s*[\r\n]+\s*/gu, " ");
}
