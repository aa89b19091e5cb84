// A figure as a self-contained SVG: panels in rows, legends below. The same figure gives the same bytes everywhere.
import type { Figure, Panel } from "../figure.ts";
import { margins } from "./axes.ts";
import { drawBarPanel } from "./bar-panel.ts";
import { labelsOf, legendOf } from "./legend.ts";
import { drawLinePanel } from "./line-panel.ts";
import { type Frame, type LineStyle, colors, fontFamily, fontSizes, stylesOf } from "./style.ts";
import { element, escapeXml, textElement } from "./svg.ts";

/** Panel widths by the number side by side, so that text stays readable at the width of a column or a page. */
const panelWidths: Readonly<Record<number, number>> = { 1: 400, 2: 340, 3: 256 };
const panelHeight = 228;
const titleHeight = 30;
const legendGap = 8;
const padding = 6;

export function toSvg(figure: Figure): string {
  const numColumns = Math.min(figure.panelColumns, figure.panels.length);
  const panelWidth = panelWidths[numColumns] ?? 256;
  const width = numColumns * panelWidth;
  const body = figure.legend === "shared" ? sharedLegend(figure, numColumns, panelWidth) : ownLegends(figure, numColumns, panelWidth); // prettier-ignore
  const height = titleHeight + body.height + padding;
  const size = { width, height, viewBox: `0 0 ${width} ${height}` };
  const root = {
    xmlns: "http://www.w3.org/2000/svg",
    ...size,
    "font-family": fontFamily,
    fill: colors.ink,
    role: "img",
  };
  const content = [
    `<title>${escapeXml(figure.title)}</title>`,
    `<desc>${escapeXml(figure.caption.join(" "))}</desc>`,
    element("rect", { width, height, fill: colors.paper }),
    textElement(figure.title, width / 2, 19, { size: fontSizes.title, anchor: "middle", weight: "bold" }),
    ...body.drawn,
  ];
  return `${element("svg", root, ["\n", content.join("\n"), "\n"])}\n`;
}

interface Body {
  readonly height: number;
  readonly drawn: readonly string[];
}

/** Equal labels look alike in all panels; the legend is below the last row. */
function sharedLegend({ panels }: Figure, numColumns: number, panelWidth: number): Body {
  const styleOf = stylesOf(labelsOf(panels));
  const legend = legendOf(panels, numColumns * panelWidth, styleOf);
  const bottom = Math.ceil(panels.length / numColumns) * panelHeight + legendGap;
  const drawn = panels.flatMap((panel, index) => {
    const [column, row] = [index % numColumns, Math.floor(index / numColumns)];
    return drawPanel(panel, frameAt(column * panelWidth, titleHeight + row * panelHeight, panelWidth), styleOf);
  });
  return { height: bottom + legend.height, drawn: [...drawn, ...legend.draw(0, titleHeight + bottom)] };
}

/** Each panel with styles and a legend of its own. */
function ownLegends({ panels }: Figure, numColumns: number, panelWidth: number): Body {
  const parts = panels.map((panel) => {
    const styleOf = stylesOf(labelsOf([panel]));
    return { panel, styleOf, legend: legendOf([panel], panelWidth, styleOf) };
  });
  const rowHeight = panelHeight + legendGap + Math.max(...parts.map(({ legend }) => legend.height));
  const drawn = parts.flatMap(({ panel, styleOf, legend }, index) => {
    const [left, top] = [(index % numColumns) * panelWidth, titleHeight + Math.floor(index / numColumns) * rowHeight];
    return [
      ...drawPanel(panel, frameAt(left, top, panelWidth), styleOf),
      ...legend.draw(left, top + panelHeight + legendGap),
    ];
  });
  return { height: Math.ceil(panels.length / numColumns) * rowHeight, drawn };
}

function frameAt(x: number, y: number, panelWidth: number): Frame {
  return {
    left: x + margins.left,
    right: x + panelWidth - margins.right,
    top: y + margins.top,
    bottom: y + panelHeight - margins.bottom,
  };
}

function drawPanel(panel: Panel, frame: Frame, styleOf: (label: string) => LineStyle): string[] {
  return panel.kind === "lines" ? drawLinePanel(panel, frame, styleOf) : drawBarPanel(panel, frame, styleOf);
}
