// Evaluations as a table: a row a model, a column a benchmark; what is best of comparable rows stands out.
import type { EvaluationRow, Score } from "../api.ts";
import { emptyState, h, select } from "./dom.ts";
import { formatPercent } from "./format.ts";
import { askEvaluations } from "./server.ts";

export class EvaluationsView {
  readonly element = h("section", { class: "view", id: "evaluations" });
  readonly #bar = h("div", { class: "toolbar", role: "toolbar", "aria-label": "Evaluations" });
  readonly #body = h("div", {});
  #rows: readonly EvaluationRow[] = [];
  #measure = "";

  constructor() {
    this.element.append(this.#bar, this.#body);
  }

  show(isShown: boolean): void {
    if (isShown) void this.#update();
  }

  async #update(): Promise<void> {
    this.#rows = (await askEvaluations().catch(() => ({ evaluations: [] }))).evaluations;
    const measures = [...new Set(this.#rows.flatMap((row) => Object.keys(row.measures)))];
    if (!measures.includes(this.#measure)) this.#measure = measures[0] ?? "";
    const choices = measures.map((measure) => ({ value: measure, label: measure }));
    const chosen = select(choices, this.#measure, (measure) => {
      this.#measure = measure;
      this.#draw();
    });
    chosen.setAttribute("aria-label", "Measure");
    this.#bar.replaceChildren(...(measures.length > 0 ? [h("label", {}, "Measure ", chosen), h("span", { class: "hint" }, "in %, with 95 % intervals over rows")] : [])); // prettier-ignore
    this.#draw();
  }

  #draw(): void {
    const rows = this.#rows.filter(({ measures }) => this.#measure in measures);
    if (rows.length === 0) {
      this.#body.replaceChildren(emptyState("No evaluations", "Name the --out folder of a papo eval beside the runs, or evaluate into a folder of the run.")); // prettier-ignore
      return;
    }
    const columns = [...new Set(rows.flatMap(({ measures }) => Object.keys(measures[this.#measure] ?? {})))];
    const head = h("tr", {}, h("th", { scope: "col" }, "Evaluation"), ...columns.map((name) => h("th", { scope: "col" }, name))); // prettier-ignore
    const body = rows.map((row) =>
      h("tr", {}, nameCell(row), ...columns.map((column) => this.#cell(row, column, rows))),
    );
    this.#body.replaceChildren(h("div", { class: "scroll" }, h("table", { class: "scores" }, h("thead", {}, head), h("tbody", {}, ...body)))); // prettier-ignore
  }

  #cell(row: EvaluationRow, column: string, rows: readonly EvaluationRow[]): HTMLElement {
    const scoreOf = (one: EvaluationRow): Score | undefined => one.measures[this.#measure]?.[column];
    const score = scoreOf(row);
    if (!score) return h("td", {}, "–");
    const comparable = rows.filter(({ settings }) => settings === row.settings);
    const best = Math.max(...comparable.map((one) => scoreOf(one)?.value ?? Number.NEGATIVE_INFINITY));
    const isBest = comparable.length > 1 && score.value === best;
    const interval = score.low === null || score.high === null ? undefined : `${formatPercent(score.low)}–${formatPercent(score.high)}`; // prettier-ignore
    return h(
      "td",
      { class: isBest ? "best" : "" },
      formatPercent(score.value),
      !score.complete && h("abbr", { title: "not all rows were evaluated" }, "*"),
      interval !== undefined && h("small", {}, interval),
    );
  }
}

function nameCell({ name, folder, model }: EvaluationRow): HTMLElement {
  return h("th", { scope: "row", title: folder }, name, model !== "" && h("small", {}, model));
}
