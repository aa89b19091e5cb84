// A finished figure, before it is drawn.

export interface Figure {
  /** File-safe, e.g. `figure4`. */
  readonly name: string;
  readonly title: string;
  readonly panels: readonly Panel[];
  /** Panels side by side. */
  readonly panelColumns: number;
  /** One legend for all panels, or one below each: where the same label means other things in other panels. */
  readonly legend: "shared" | "perPanel";
  /** What the picture alone does not say. */
  readonly caption: readonly string[];
}

export type Panel = LinePanel | BarPanel;

export interface LinePanel {
  readonly kind: "lines";
  readonly title: string;
  readonly xLabel: string;
  /** With its unit. */
  readonly yLabel: string;
  readonly series: readonly Series[];
  /** The paper's values. */
  readonly marks: readonly Mark[];
}

export interface Series {
  /** In the legend; equal labels look alike in all panels. */
  readonly label: string;
  /** The run has not ended; a cross says so. */
  readonly isIncomplete: boolean;
  readonly points: readonly Point[];
  /** Lowest and highest at each point; empty for one seed. */
  readonly band: readonly { readonly x: number; readonly low: number; readonly high: number }[];
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Mark extends Point {
  /** Of the series that it belongs to. */
  readonly label: string;
}

export interface BarPanel {
  readonly kind: "bars";
  readonly title: string;
  readonly yLabel: string;
  /** Below each cluster of bars. */
  readonly categories: readonly string[];
  readonly series: readonly BarSeries[];
  /** Digits after the point of the numbers on the bars. */
  readonly digits: number;
}

export interface BarSeries {
  readonly label: string;
  /** By category; null where there is none. */
  readonly values: readonly (number | null)[];
  /** Half the 95 % interval, by category. */
  readonly halfWidths?: readonly (number | undefined)[];
}
