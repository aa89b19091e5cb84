// CSV as RFC 4180 has it, for programs: values alone in their columns, half-widths in columns of their own, what a
// reader must know of a value in the last one.
import type { Cell, Table, TableRow } from "../table.ts";
import { numberTexts } from "./number-text.ts";

export function toCsv({ columns, rows, footnotes }: Table): string {
  const withHalfWidth = columns.map((_, index) => rows.some(({ cells }) => halfWidthOf(cells[index]) !== ""));
  const spread = (texts: (index: number) => readonly [string, string]) =>
    columns.flatMap((_, index) => texts(index).slice(0, withHalfWidth[index] ? 2 : 1));
  const hasNotes = Object.keys(footnotes).length > 0;
  const header = spread((index) => {
    const title = columns[index]?.title ?? "";
    return [title, `${title} ±`];
  });
  const body = rows.map((row) => [
    ...spread((index) => [valueOf(row.cells[index]), halfWidthOf(row.cells[index])]),
    ...(hasNotes ? [notesOf(row, { columns, footnotes })] : []),
  ]);
  return [[...header, ...(hasNotes ? ["Notes"] : [])], ...body]
    .map((line) => `${line.map(quote).join(",")}\n`)
    .join("");
}

function valueOf(cell: Cell | undefined): string {
  if (cell?.kind === "text") return cell.text;
  if (cell?.kind === "number") return numberTexts(cell).value;
  return cell?.kind === "incomplete" ? "incomplete" : "";
}

function halfWidthOf(cell: Cell | undefined): string {
  return (cell?.kind === "number" ? numberTexts(cell).halfWidth : undefined) ?? "";
}

function notesOf({ cells }: TableRow, { columns, footnotes }: Pick<Table, "columns" | "footnotes">): string {
  const notes = cells.flatMap((cell, index) => {
    const footnote = cell.kind === "number" && cell.mark !== undefined ? footnotes[cell.mark] : undefined;
    return footnote === undefined ? [] : [`${columns[index]?.title ?? ""}: ${footnote}`];
  });
  return notes.join("; ");
}

function quote(text: string): string {
  return /[",\r\n]/u.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
