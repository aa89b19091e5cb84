import type { LinePanel, Mark, Series } from "../figure.ts";
import { baseLine, emptyPanel, panelTitle, yAxis } from "./axes.ts";
import { fixed } from "./number-text.ts";
import { type Scale, linearScale } from "./scale.ts";
import { type Frame, type LineStyle, colors, fontSizes } from "./style.ts";
import { coordinate, element, pointList, textElement } from "./svg.ts";

type StyleOf = (label: string) => LineStyle;

/** Lines with their bands, and the paper's values as diamonds. */
export function drawLinePanel(panel: LinePanel, frame: Frame, styleOf: StyleOf): string[] {
  const { series, marks } = panel;
  const ys = [...series.flatMap(({ points, band }) => [...points.map(({ y }) => y), ...band.flatMap(({ low, high }) => [low, high])]), ...marks.map(({ y }) => y)]; // prettier-ignore
  const xs = [...series.flatMap(({ points }) => points.map(({ x }) => x)), ...marks.map(({ x }) => x)];
  if (ys.length === 0) return emptyPanel(frame, panel.title);
  const x = linearScale([0, ...xs], [frame.left, frame.right], "values");
  const y = linearScale(ys, [frame.bottom, frame.top], "ticks");
  const axes = { x, y };
  return [
    ...yAxis(frame, y, panel.yLabel),
    ...xAxis(frame, x, panel.xLabel),
    panelTitle(frame, panel.title),
    ...series.flatMap((one) => bandOf(one, axes, styleOf(one.label))),
    ...series.map((one) => lineOf(one, axes, styleOf(one.label))),
    ...series.flatMap((one) => endOf(one, axes, styleOf(one.label))),
    ...marks.map((mark) => diamond(x.at(mark.x), y.at(mark.y), styleOf(mark.label).color)),
  ];
}

interface Axes {
  readonly x: Scale;
  readonly y: Scale;
}

function xAxis(frame: Frame, scale: Scale, label: string): string[] {
  const { left, right, bottom } = frame;
  return [
    baseLine(frame),
    ...scale.ticks.flatMap((tick) => {
      const x = scale.at(tick);
      return [
        element("line", { x1: x, x2: x, y1: bottom, y2: bottom + 4, stroke: colors.axis }),
        textElement(fixed(tick, scale.digits), x, bottom + 15, { size: fontSizes.tick, anchor: "middle" }),
      ];
    }),
    textElement(label, (left + right) / 2, bottom + 31, { size: fontSizes.label, anchor: "middle" }),
  ];
}

function bandOf({ band }: Series, { x, y }: Axes, { color }: LineStyle): string[] {
  if (band.length === 0) return [];
  const upper = band.map((point) => [x.at(point.x), y.at(point.high)] as const);
  const lower = band.map((point) => [x.at(point.x), y.at(point.low)] as const).reverse();
  return [element("polygon", { points: pointList([...upper, ...lower]), fill: color, "fill-opacity": 0.16 })];
}

function lineOf({ points }: Series, { x, y }: Axes, { color, dash }: LineStyle): string {
  const [only] = points;
  if (only && points.length === 1)
    return element("circle", { cx: x.at(only.x), cy: y.at(only.y), r: 2.5, fill: color });
  return element("polyline", {
    points: pointList(points.map((point) => [x.at(point.x), y.at(point.y)])),
    ...{ fill: "none", stroke: color, "stroke-width": 1.8, "stroke-dasharray": dash, "stroke-linejoin": "round" },
  });
}

/** A run that has not ended has a cross where it is. */
function endOf({ points, isIncomplete }: Series, { x, y }: Axes, { color }: LineStyle): string[] {
  const last = points.at(-1);
  return isIncomplete && last ? [cross(x.at(last.x), y.at(last.y), color)] : [];
}

export function cross(x: number, y: number, color: string): string {
  const corners = [-4, 4].map((offset) => `M${coordinate(x - 4)} ${coordinate(y - offset)}L${coordinate(x + 4)} ${coordinate(y + offset)}`); // prettier-ignore
  return element("path", { d: corners.join(""), stroke: color, "stroke-width": 2 });
}

/** How a value of the paper is marked. */
export function diamond(x: Mark["x"], y: Mark["y"], color: string): string {
  const corners = [
    [x, y - 5],
    [x + 5, y],
    [x, y + 5],
    [x - 5, y],
  ] as const;
  return element("polygon", { points: pointList(corners), fill: colors.paper, stroke: color, "stroke-width": 1.6 });
}
