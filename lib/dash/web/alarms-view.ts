// What the guard against collapse saw.
import type { Alarm } from "../api.ts";
import { emptyState, h } from "./dom.ts";
import { formatCount, formatValue } from "./format.ts";
import { state } from "./state.ts";

export class AlarmsView {
  readonly element = h("section", { class: "view", id: "alarms" });

  constructor() {
    state.on("runs", () => { this.#draw(); }); // prettier-ignore
  }

  show(isShown: boolean): void {
    if (isShown) this.#draw();
  }

  #draw(): void {
    const alarms = state.shown.flatMap((run) => run.alarms.map((alarm) => ({ run: run.name, alarm })));
    if (alarms.length === 0) {
      this.element.replaceChildren(emptyState("No alarms", "The guard against collapse has seen nothing to warn of."));
      return;
    }
    const names = ["Run", "Step", "Signal", "Metric", "Value", "Running mean", "Threshold", "Action"];
    const head = h("tr", {}, ...names.map((name) => h("th", { scope: "col" }, name)));
    const rows = alarms.map(({ run, alarm }) => alarmRow(run, alarm));
    this.element.replaceChildren(h("div", { class: "scroll" }, h("table", { class: "alarms" }, h("thead", {}, head), h("tbody", {}, ...rows)))); // prettier-ignore
  }
}

function alarmRow(run: string, alarm: Alarm): HTMLElement {
  const { step, signal, event, metric, value, mean, threshold } = alarm;
  const numbers = [value, mean, threshold].map((number) => h("td", { class: "number" }, formatValue(number)));
  const kind = event === "end" ? "over" : signal === "collapse" ? "collapse" : "";
  return h(
    "tr",
    { class: kind },
    h("td", {}, run),
    h("td", { class: "number" }, formatCount(step)),
    h("td", {}, event === "" || event === "start" ? signal : `${signal} (${event})`),
    h("td", {}, metric || alarm.signals.join(", ")),
    ...numbers,
    h("td", {}, actionText(alarm)),
  );
}

function actionText({ action, klPrcpFactor }: Alarm): string {
  if (action === "") return "–";
  return klPrcpFactor === null ? action : `${action}, γ × ${formatValue(klPrcpFactor)}`;
}

/** Alarms of the shown runs that began. */
export function numAlarms(): number {
  return state.shown.flatMap(({ alarms }) => alarms).filter(({ event }) => event !== "end").length;
}
