// Legends stand below the panels, so that they cover no data.
import type { Panel } from "../figure.ts";
import { cross, diamond } from "./line-panel.ts";
import { type LineStyle, colors, fontSizes } from "./style.ts";
import { element, textElement, textWidth } from "./svg.ts";

interface Entry {
  readonly text: string;
  readonly symbol: (x: number, y: number) => string;
}

export interface Legend {
  readonly height: number;
  /** @param left, top upper left corner, pixels */
  draw(left: number, top: number): string[];
}

const symbolWidth = 26;
const gap = 18;
const rowHeight = 18;

/** Labels of all series and marks in the order in which they first come. */
export function labelsOf(panels: readonly Panel[]): string[] {
  const labels = panels.flatMap((panel) => [
    ...panel.series.map(({ label }) => label),
    ...(panel.kind === "lines" ? panel.marks.map(({ label }) => label) : []),
  ]);
  return [...new Set(labels)];
}

export function legendOf(panels: readonly Panel[], width: number, styleOf: (label: string) => LineStyle): Legend {
  const rows = inRows(entriesOf(panels, styleOf), width);
  return {
    height: rows.length * rowHeight,
    draw: (left, top) =>
      rows.flatMap((row, index) => drawRow(row, { left, width, y: top + (index + 0.5) * rowHeight })),
  };
}

function entriesOf(panels: readonly Panel[], styleOf: (label: string) => LineStyle): Entry[] {
  const lines = panels.filter((panel) => panel.kind === "lines");
  const symbol = panels.some(({ kind }) => kind === "bars") ? square : stroke;
  const entries = labelsOf(panels).map((text): Entry => ({ text, symbol: symbol(styleOf(text)) }));
  const paper: Entry = { text: "the paper's value", symbol: (x, y) => diamond(x + 12, y, colors.axis) };
  const unfinished: Entry = { text: "run not finished", symbol: (x, y) => cross(x + 12, y, colors.axis) };
  return [
    ...entries,
    ...(lines.some(({ marks }) => marks.length > 0) ? [paper] : []),
    ...(lines.some(({ series }) => series.some(({ isIncomplete }) => isIncomplete)) ? [unfinished] : []),
  ];
}

function square({ color }: LineStyle): Entry["symbol"] {
  return (x, y) => element("rect", { x: x + 8, y: y - 5, width: 10, height: 10, fill: color });
}

function stroke({ color, dash }: LineStyle): Entry["symbol"] {
  const line = { stroke: color, "stroke-width": 2, "stroke-dasharray": dash };
  return (x, y) => element("line", { x1: x, x2: x + symbolWidth - 4, y1: y, y2: y, ...line });
}

const widthOf = ({ text }: Entry) => symbolWidth + textWidth(text, fontSizes.label) + gap;

function inRows(entries: readonly Entry[], width: number): Entry[][] {
  const rows: Entry[][] = [];
  let left = 0;
  for (const entry of entries) {
    const row = rows.at(-1);
    left -= widthOf(entry);
    if (row && left >= 0) row.push(entry);
    else {
      rows.push([entry]);
      left = width - widthOf(entry);
    }
  }
  return rows;
}

/** Centred. */
function drawRow(row: readonly Entry[], { left, width, y }: { left: number; width: number; y: number }): string[] {
  let x = left + (width - row.reduce((sum, entry) => sum + widthOf(entry), 0) + gap) / 2;
  return row.flatMap((entry) => {
    const drawn = [entry.symbol(x, y), textElement(entry.text, x + symbolWidth, y + 4, { size: fontSizes.label })];
    x += widthOf(entry);
    return drawn;
  });
}
