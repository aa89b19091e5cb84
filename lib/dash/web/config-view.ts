// Settings of all runs side by side.
import type { ConfigReply } from "../api.ts";
import { emptyState, h } from "./dom.ts";
import { askConfig } from "./server.ts";
import { state } from "./state.ts";

export class ConfigView {
  readonly element = h("section", { class: "view", id: "config" });
  readonly #body = h("div", {});
  readonly #filter = h("input", { type: "search", placeholder: "Filter settings  /", "aria-label": "Filter settings" });
  readonly #differing = h("input", { type: "checkbox", id: "differing" });
  #runs: ConfigReply["runs"] = [];
  #wasShown = false;

  constructor() {
    const bar = h("div", { class: "toolbar", role: "toolbar", "aria-label": "Settings" }, this.#filter);
    bar.append(h("label", { class: "switch" }, this.#differing, "Only differences"));
    this.#filter.addEventListener("input", () => { this.#draw(); }); // prettier-ignore
    this.#differing.addEventListener("change", () => { this.#draw(); }); // prettier-ignore
    this.element.append(bar, this.#body);
    state.on("runs", () => { this.#draw(); }); // prettier-ignore
  }

  show(isShown: boolean): void {
    if (isShown) void this.#update();
  }

  async #update(): Promise<void> {
    this.#runs = (await askConfig().catch(() => ({ runs: [] }))).runs;
    if (!this.#wasShown) this.#differing.checked = this.#shown.length > 1;
    this.#wasShown = true;
    this.#draw();
  }

  get #shown(): ConfigReply["runs"] {
    return this.#runs.filter(({ run }) => !state.hidden.has(run));
  }

  #draw(): void {
    const runs = this.#shown;
    const word = this.#filter.value.trim().toLowerCase();
    const keys = [...new Set(runs.flatMap(({ settings }) => Object.keys(settings)))];
    const isDifferent = (key: string) => new Set(runs.map(({ settings }) => settings[key])).size > 1;
    const rows = keys.filter(
      (key) => key.toLowerCase().includes(word) && (!this.#differing.checked || isDifferent(key)),
    );
    if (rows.length === 0) {
      const isAlike = runs.length > 1 && this.#differing.checked && word === "";
      const title = keys.length === 0 ? "No settings" : isAlike ? "No differences" : "No such setting";
      this.#body.replaceChildren(emptyState(title, keys.length === 0 ? "These runs have no config.json that can be read." : "")); // prettier-ignore
      return;
    }
    const head = runs.map(({ run }) => h("th", { scope: "col" }, state.runs[run]?.name ?? ""));
    const body = rows.map(
      (key) =>
      h("tr", { class: isDifferent(key) ? "differs" : "" }, h("th", { scope: "row" }, key), ...runs.map(({ settings }) => h("td", {}, valueText(settings[key])))), // prettier-ignore
    );
    const table = h("table", { class: "settings" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Setting"), ...head)), h("tbody", {}, ...body)); // prettier-ignore
    this.#body.replaceChildren(h("div", { class: "scroll" }, table));
  }
}

/** Texts without their quotes. */
function valueText(json: string | undefined): string {
  if (json === undefined) return "–";
  const value: unknown = JSON.parse(json);
  return typeof value === "string" ? value : json;
}
