// One chart: a card with title, curves and a legend that follows the cursor.
import uPlot from "uplot";
import type { Alarm } from "../api.ts";
import type { ChartPlan } from "./chart-plan.ts";
import { h } from "./dom.ts";
import { formatValue } from "./format.ts";
import { columnsOf, columnsPerLine, type Line } from "./lines.ts";
import { type Look, state } from "./state.ts";
import { colour } from "./theme.ts";

const height = 190;
const maxLegendLines = 12;
/** uPlot's own names for them are gone when its types are. */
const [linear, logarithmic] = [1, 3] as unknown as [uPlot.Scale.Distr, uPlot.Scale.Distr];
const cursors = uPlot.sync("steps");

export interface Drawn {
  readonly lines: readonly Line[];
  readonly alarms: readonly Alarm[];
  readonly look: Look;
}

export class Chart {
  readonly element: HTMLElement;
  readonly #plan: ChartPlan;
  readonly #plot = h("div", { class: "plot" });
  readonly #legend = h("ul", { class: "legend" });
  #uplot: uPlot | undefined;
  #shape = "";
  #drawn: Drawn | undefined;

  constructor(plan: ChartPlan, unit: string) {
    this.#plan = plan;
    const names = plan.metrics.map(({ name }) => name).join(", ");
    this.element = h(
      "article",
      { class: "card chart", "aria-label": plan.title, title: names },
      h("header", {}, h("h3", {}, plan.title), h("span", { class: "unit" }, unit === "1" ? "" : unit)),
      plan.note !== undefined && h("p", { class: "note" }, plan.note),
      this.#plot,
      this.#legend,
    );
    new ResizeObserver(() => { this.#resize(); }).observe(this.#plot); // prettier-ignore
  }

  draw(drawn: Drawn): void {
    this.#drawn = drawn;
    const data = columnsOf(drawn.lines, drawn.look) as uPlot.AlignedData;
    const shape = JSON.stringify([drawn.lines.map(({ label, colour: line }) => [label, line]), drawn.look, drawn.alarms.length]); // prettier-ignore
    if (this.#uplot && shape === this.#shape) this.#uplot.setData(data);
    else this.#create(data, drawn);
    this.#shape = shape;
    this.element.classList.toggle("is-empty", drawn.lines.length === 0);
    this.#showValues();
  }

  /** Colours are read when a plot is made. */
  redraw(): void {
    this.#shape = "";
    if (this.#drawn) this.draw(this.#drawn);
  }

  #create(data: uPlot.AlignedData, { lines, look }: Drawn): void {
    this.#uplot?.destroy();
    const width = this.#plot.clientWidth || 320;
    this.#uplot = new uPlot(optionsOf({ lines, look, width }, this), data, this.#plot);
    this.#legend.replaceChildren(...legendOf(lines));
  }

  #resize(): void {
    const width = this.#plot.clientWidth;
    if (width > 0 && this.#uplot && this.#uplot.width !== width) this.#uplot.setSize({ width, height });
  }

  /** Of the step under the cursor, or the last ones. */
  #showValues(): void {
    const plot = this.#uplot;
    if (!plot) return;
    const { idx } = plot.cursor;
    const values = this.#legend.querySelectorAll(".value");
    for (const [index, value] of values.entries()) {
      const column = plot.data[columnsPerLine * index + 3] ?? [];
      value.textContent = formatValue(idx == null ? lastOf(column) : nearest(column, idx));
    }
    const step = idx == null ? undefined : plot.data[0][idx];
    this.element.dataset["step"] = step === undefined ? "" : `step ${step.toLocaleString("en-US")}`;
  }

  /** What uPlot calls. */
  readonly hooks: uPlot.Hooks.Arrays = {
    setCursor: [() => { this.#showValues(); }], // prettier-ignore
    draw: [(plot) => { this.#drawAlarms(plot); }], // prettier-ignore
    setSelect: [
      (plot) => {
        const { left, width } = plot.select;
        if (width < 4) return;
        const [from, to] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
        plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        state.setLook({ range: { from: Math.floor(from), to: Math.ceil(to) } });
      },
    ],
  };

  #drawAlarms(plot: uPlot): void {
    const { ctx, bbox } = plot;
    const shown = this.#plan.metrics.map(({ name }) => name);
    const alarms = (this.#drawn?.alarms ?? []).filter(({ metric, signal }) => shown.includes(metric) || signal === "collapse"); // prettier-ignore
    ctx.save();
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
    for (const { step, event } of alarms) {
      if (event === "end") continue;
      const x = Math.round(plot.valToPos(step, "x", true));
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.strokeStyle = colour("--alarm");
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }
}

function legendOf(lines: readonly Line[]): HTMLElement[] {
  const entries = lines.slice(0, maxLegendLines).map(({ label, colour: line, dash }) => {
    const swatch = h("span", { class: dash ? "swatch dashed" : "swatch" });
    swatch.style.setProperty("--line", line);
    return h("li", {}, swatch, h("span", { class: "label" }, label), h("span", { class: "value" }));
  });
  const numMore = lines.length - entries.length;
  return numMore > 0 ? [...entries, h("li", { class: "more" }, `and ${numMore} more`)] : entries;
}

function optionsOf(
  { lines, look, width }: { readonly lines: readonly Line[]; readonly look: Look; readonly width: number },
  { hooks }: Pick<Chart, "hooks">,
): uPlot.Options {
  const isSmoothed = look.smoothing > 0;
  const series = lines.flatMap(({ colour: line, dash }): uPlot.Series[] => {
    const bound: uPlot.Series = { stroke: "transparent", points: { show: false }, spanGaps: true };
    const usual = { spanGaps: true, ...(dash ? { dash: [...dash] } : {}) };
    const points = { size: 5, fill: line };
    return [
      bound,
      bound,
      { ...usual, stroke: isSmoothed ? `${line}55` : "transparent", width: 1, points: { show: false } },
      { ...usual, stroke: line, width: 1.75, points },
    ];
  });
  const bands = lines.map(({ colour: line }, index): uPlot.Band => {
    const first = columnsPerLine * index + 1;
    return { series: [first, first + 1], fill: `${line}22` };
  });
  const axis: uPlot.Axis = {
    stroke: colour("--soft"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
    font: `11px ${colour("--font")}`,
  };
  return {
    width,
    height,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: {
      sync: { key: cursors.key, setSeries: false },
      drag: { x: true, y: false, setScale: false },
      points: { size: 6, show: (_plot, index) => (index % columnsPerLine === 0 ? pointElement() : false) as never },
    },
    scales: { x: { time: false }, y: { distr: look.logScale ? logarithmic : linear } },
    series: [{}, ...series],
    bands,
    axes: [
      { ...axis, size: 28, space: 60 },
      { ...axis, size: 54, values: (_plot, ticks) => ticks.map((tick) => formatTick(tick)) }, // prettier-ignore
    ],
    hooks,
  };
}

/** On a logarithmic scale the ticks in between have no number, whatever the types say. */
function formatTick(tick: number | null): string {
  return tick === null ? "" : formatValue(tick);
}

function pointElement(): HTMLElement {
  return h("div", { class: "u-cursor-pt" });
}

function lastOf(column: uPlot.AlignedData[number]): number | null {
  for (let index = column.length - 1; index >= 0; index -= 1) if (column[index] != null) return column[index] ?? null;
  return null;
}

/** The value at a place, or the next one before it: sparse metrics have few. */
function nearest(column: uPlot.AlignedData[number], place: number): number | null {
  for (let index = place; index >= 0; index -= 1) if (column[index] != null) return column[index] ?? null;
  return null;
}
