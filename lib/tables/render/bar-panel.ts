import type { BarPanel } from "../figure.ts";
import { baseLine, emptyPanel, panelTitle, yAxis } from "./axes.ts";
import { fixed } from "./number-text.ts";
import { type Scale, linearScale } from "./scale.ts";
import { type Frame, type LineStyle, colors, fontSizes } from "./style.ts";
import { coordinate, element, textElement, textWidth } from "./svg.ts";

type StyleOf = (label: string) => LineStyle;

const maxBarWidth = 40;

/** Clusters of bars from zero with their numbers above; intervals as whiskers. */
export function drawBarPanel(panel: BarPanel, frame: Frame, styleOf: StyleOf): string[] {
  const { series, categories } = panel;
  const tops = series.flatMap(({ values, halfWidths = [] }) => values.map((value, index) => (value ?? 0) + (halfWidths[index] ?? 0))); // prettier-ignore
  if (tops.length === 0) return emptyPanel(frame, panel.title);
  const highest = Math.max(...tops);
  const y = linearScale([0, highest > 0 ? highest * 1.06 : 1], [frame.bottom, frame.top], "ticks");
  const slot = (frame.right - frame.left) / categories.length;
  const bars: BarPlaces = { left: frame.left, slot, width: Math.min(maxBarWidth, (slot * 0.8) / series.length), y };
  return [
    ...yAxis(frame, y, panel.yLabel),
    panelTitle(frame, panel.title),
    ...categoryLabels(categories, frame, slot),
    ...series.flatMap((_, at) => barsOf(panel, at, { bars, style: styleOf(series[at]?.label ?? "") })),
    baseLine(frame),
  ];
}

interface BarPlaces {
  readonly left: number;
  readonly slot: number;
  readonly width: number;
  readonly y: Scale;
}

function barsOf(
  { series, digits }: BarPanel,
  at: number,
  { bars, style }: { bars: BarPlaces; style: LineStyle },
): string[] {
  const { left, slot, width, y } = bars;
  const { values = [], halfWidths = [] } = series[at] ?? {};
  return values.flatMap((value, index) => {
    if (value === null) return [];
    const x = left + (index + 0.5) * slot + (at - series.length / 2) * width;
    const [top, bottom] = [y.at(value), y.at(0)];
    const halfWidth = halfWidths[index];
    const above = halfWidth === undefined ? top : y.at(value + halfWidth);
    return [
      element("rect", { x: x + 0.5, y: top, width: width - 1, height: bottom - top, fill: style.color }),
      ...(halfWidth === undefined ? [] : whisker(x + width / 2, y.at(Math.max(0, value - halfWidth)), above)),
      textElement(fixed(value, digits), x + width / 2, above - 3, { size: fontSizes.value, anchor: "middle" }),
    ];
  });
}

function whisker(x: number, y1: number, y2: number): string[] {
  const stroke = { stroke: colors.ink, "stroke-width": 1 };
  return [
    element("line", { x1: x, x2: x, y1, y2, ...stroke }),
    ...[y1, y2].map((y) => element("line", { x1: x - 3, x2: x + 3, y1: y, y2: y, ...stroke })),
  ];
}

/** All turned where one of them is wider than its place. */
function categoryLabels(names: readonly string[], { left, bottom }: Frame, slot: number): string[] {
  const size = fontSizes.value;
  const areTurned = names.some((name) => textWidth(name, size) > slot);
  return names.map((name, index) => {
    const x = left + (index + 0.5) * slot;
    if (!areTurned) return textElement(name, x, bottom + 15, { size, anchor: "middle" });
    const [end, y] = [x + 6, bottom + 12];
    const transform = `rotate(-25 ${coordinate(end)} ${coordinate(y)})`;
    return textElement(name, end, y, { size, anchor: "end", transform });
  });
}
