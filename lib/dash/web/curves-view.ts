// The curves: charts in sections, drawn when they come into view.
import { Chart } from "./chart.ts";
import { type ChartPlan, planCharts, type Section } from "./chart-plan.ts";
import { Curves } from "./curves.ts";
import { emptyState, h } from "./dom.ts";
import { formatCount } from "./format.ts";
import { linesOf } from "./lines.ts";
import { state } from "./state.ts";
import { onThemeChange } from "./theme.ts";

interface Place {
  readonly plan: ChartPlan;
  readonly chart: Chart;
  isVisible: boolean;
  isStale: boolean;
}

export class CurvesView {
  readonly element = h("section", { class: "view", id: "curves" });
  readonly curves = new Curves(() => {
    this.#refresh();
  });
  readonly #sections = h("div", { class: "sections" });
  readonly #places: Place[] = [];
  readonly #seen = new IntersectionObserver((entries) => { this.#onSeen(entries); }, { rootMargin: "300px" }); // prettier-ignore
  readonly #open = new Map<string, boolean>();
  #planned = "";
  #frame = 0;

  constructor() {
    this.element.append(toolbar(), this.#sections);
    state.on("runs", () => { this.#plan(); }); // prettier-ignore
    let { range } = state.look;
    state.on("look", () => {
      if (range !== state.look.range) this.curves.forget();
      ({ range } = state.look);
      this.#plan();
    });
    onThemeChange(() => {
      for (const { chart } of this.#places) chart.redraw();
    });
  }

  #plan(): void {
    const infos = new Map(state.runs.flatMap(({ metrics }) => metrics.map((metric) => [metric.name, metric])));
    const sections = planCharts([...infos.values()]).map((section) => filtered(section, state.look.filter));
    const planned = JSON.stringify(sections);
    if (planned !== this.#planned) {
      this.#planned = planned;
      this.#seen.disconnect();
      this.#places.length = 0;
      const shown = sections.filter(({ charts }) => charts.length > 0);
      const elements = shown.map((section) => this.#section(section, (name) => infos.get(name)?.unit ?? ""));
      this.#sections.replaceChildren(...(elements.length > 0 ? elements : [this.#emptyState()]));
    }
    this.#refresh();
  }

  #emptyState(): HTMLElement {
    if (state.look.filter !== "") return emptyState("No chart", `No title and no metric has “${state.look.filter}”.`);
    if (state.runs.length === 0) return emptyState("No run", "These folders hold evaluations only.");
    return emptyState("No metrics yet", "Curves appear here with the first step that is trained.");
  }

  #section({ title, charts }: Section, unitOf: (name: string) => string): HTMLElement {
    const grid = h("div", { class: "grid" });
    for (const plan of charts) {
      const chart = new Chart(plan, unitOf(plan.metrics[0]?.name ?? ""));
      this.#places.push({ plan, chart, isVisible: false, isStale: true });
      grid.append(chart.element);
      this.#seen.observe(chart.element);
    }
    const isOpen = state.look.filter !== "" || (this.#open.get(title) ?? title !== "More");
    const count = h("span", { class: "count" }, formatCount(charts.length));
    const section = h("details", { open: isOpen }, h("summary", {}, h("h2", {}, title), count), grid);
    section.addEventListener("toggle", () => this.#open.set(title, section.open));
    return section;
  }

  #onSeen(entries: readonly IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting } of entries) {
      const place = this.#places.find(({ chart }) => chart.element === target);
      if (place) place.isVisible = isIntersecting;
    }
    this.#schedule();
  }

  #refresh(): void {
    for (const place of this.#places) place.isStale = true;
    this.#schedule();
  }

  /** Once a frame, however much came. */
  #schedule(): void {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw(): void {
    const due = this.#places.filter(({ isVisible, isStale }) => isVisible && isStale);
    const runs = state.shown;
    const metrics = due.flatMap(({ plan }) => plan.metrics.map(({ name }) => name));
    for (const { id, metrics: known } of runs) {
      const own = new Set(known.map(({ name }) => name));
      void this.curves.ensure(
        id,
        [...new Set(metrics)].filter((name) => own.has(name)),
      );
    }
    for (const place of due) {
      place.isStale = false;
      const curveOf = (run: number, metric: string) => this.curves.get(run, metric);
      const lines = linesOf(place.plan, runs, { all: state.runs.length, curveOf });
      place.chart.draw({ lines, alarms: runs.flatMap(({ alarms }) => alarms), look: state.look });
    }
  }
}

function filtered({ title, charts }: Section, filter: string): Section {
  const word = filter.trim().toLowerCase();
  const matches = (text: string) => text.toLowerCase().includes(word);
  return { title, charts: charts.filter((chart) => matches(chart.title) || chart.metrics.some(({ name }) => matches(name))) }; // prettier-ignore
}

function toolbar(): HTMLElement {
  const { smoothing, logScale } = state.look;
  const shown = h("output", {}, smoothing.toFixed(2));
  const filter = h("input", { type: "search", id: "filter", placeholder: "Filter charts  /", "aria-label": "Filter charts" }); // prettier-ignore
  filter.addEventListener("input", () => { state.setLook({ filter: filter.value }); }); // prettier-ignore
  const slider = h("input", { type: "range", id: "smoothing", min: "0", max: "0.99", step: "0.01", value: String(smoothing) }); // prettier-ignore
  slider.addEventListener("input", () => {
    shown.textContent = Number(slider.value).toFixed(2);
    state.setLook({ smoothing: Number(slider.value) });
  });
  const log = h("input", { type: "checkbox", id: "log", checked: logScale });
  log.addEventListener("change", () => { state.setLook({ logScale: log.checked }); }); // prettier-ignore
  const reset = h("button", { type: "button", class: "quiet", id: "all-steps", hidden: true }, "Show all steps");
  reset.addEventListener("click", () => { state.setLook({ range: undefined }); }); // prettier-ignore
  state.on("look", () => {
    const { range } = state.look;
    reset.hidden = range === undefined;
    if (range) reset.textContent = `Steps ${range.from} to ${range.to} · show all`;
  });
  return h(
    "div",
    { class: "toolbar", role: "toolbar", "aria-label": "Curves" },
    filter,
    h("label", { class: "slider" }, "Smoothing", slider, shown),
    h("label", { class: "switch" }, log, "Log scale"),
    reset,
    h("span", { class: "hint" }, "drag over a chart to zoom"),
  );
}
