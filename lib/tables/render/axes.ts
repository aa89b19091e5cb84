// What line and bar panels share: title, horizontal grid, y axis with its label.
import { fixed } from "./number-text.ts";
import type { Scale } from "./scale.ts";
import { type Frame, colors, fontSizes } from "./style.ts";
import { element, textElement } from "./svg.ts";

/** Room around the plot area for ticks and labels. */
export const margins = { left: 58, top: 24, right: 12, bottom: 40 } as const;

/** @param scale pixels of the plot area from bottom to top */
export function yAxis({ left, top, right, bottom }: Frame, scale: Scale, label: string): string[] {
  const labelX = left - margins.left + fontSizes.label;
  const middle = (top + bottom) / 2;
  return [
    ...scale.ticks.map((tick) => {
      const y = scale.at(tick);
      const isZero = tick === 0 && scale.domain[0] < 0;
      return element("line", { x1: left, x2: right, y1: y, y2: y, stroke: isZero ? colors.axis : colors.grid });
    }),
    ...scale.ticks.map((tick) =>
      textElement(fixed(tick, scale.digits), left - 6, scale.at(tick) + 3.5, { size: fontSizes.tick, anchor: "end" }),
    ),
    textElement(label, labelX, middle, {
      ...{ size: fontSizes.label, anchor: "middle" },
      transform: `rotate(-90 ${String(labelX)} ${String(middle)})`,
    }),
    element("line", { x1: left, x2: left, y1: top, y2: bottom, stroke: colors.axis }),
  ];
}

export function panelTitle({ left, right, top }: Frame, title: string): string {
  return textElement(title, (left + right) / 2, top - 9, { size: fontSizes.panel, anchor: "middle", weight: "bold" });
}

/** The base line of the plot area. */
export function baseLine({ left, right, bottom }: Frame): string {
  return element("line", { x1: left, x2: right, y1: bottom, y2: bottom, stroke: colors.axis });
}

export function emptyPanel(frame: Frame, title: string): string[] {
  const { left, right, top, bottom } = frame;
  const [x, y] = [(left + right) / 2, (top + bottom) / 2];
  return [
    panelTitle(frame, title),
    element("rect", { x: left, y: top, width: right - left, height: bottom - top, fill: "none", stroke: colors.grid }),
    textElement("no results yet", x, y, { size: fontSizes.label, anchor: "middle", fill: colors.axis }),
  ];
}
