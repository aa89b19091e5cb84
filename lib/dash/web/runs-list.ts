// The runs: what each is called, how far it is, whether it is shown.
import type { RunSummary } from "../api.ts";
import { h } from "./dom.ts";
import { formatCount, plural } from "./format.ts";
import { state } from "./state.ts";
import { onThemeChange, seriesColour } from "./theme.ts";

export function runsList(): HTMLElement {
  const list = h("ul", { class: "runs" });
  const draw = () => {
    const focused = document.activeElement?.id;
    list.replaceChildren(...state.runs.map(runItem));
    if (focused?.startsWith("run-")) document.getElementById(focused)?.focus();
  };
  state.on("runs", draw);
  onThemeChange(draw);
  return list;
}

function runItem(run: RunSummary): HTMLElement {
  const { id, name, folder, status } = run;
  const box = h("input", { type: "checkbox", id: `run-${id}`, checked: !state.hidden.has(id) });
  box.addEventListener("change", () => { state.toggle(id); }); // prettier-ignore
  box.style.setProperty("--line", seriesColour(state.runs.length > 1 ? id : 0));
  return h(
    "li",
    { class: `run is-${status}`, title: folder },
    h("label", {}, box, h("span", { class: "name" }, name)),
    h("span", { class: "progress" }, progressText(run)),
    ...notes(run).map((note) => h("span", { class: "note" }, note)),
  );
}

function progressText({ status, lastStep, totalSteps, readShare, numRows }: RunSummary): string {
  if (readShare < 1 && numRows > 0) return `reading, ${Math.floor(100 * readShare)} %`;
  const step = lastStep === null ? "no steps" : `step ${formatCount(lastStep)}`;
  const total = totalSteps === null || lastStep === null ? "" : ` of ${formatCount(totalSteps)}`;
  return `${status} · ${step}${total}`;
}

function notes({ status, numBadLines, numEarlier, metrics }: RunSummary): string[] {
  const numNonFinite = metrics.filter((metric) => metric.numNonFinite > 0).length;
  return [
    status === "gone" && "the folder is gone; these are its last numbers",
    numBadLines > 0 && `${plural(numBadLines, "line")} of metrics.jsonl cannot be read`,
    numEarlier > 0 && `${plural(numEarlier, "line")} of earlier steps left out`,
    numNonFinite > 0 && `${plural(numNonFinite, "metric")} with values that are not finite`,
  ].filter((note) => note !== false);
}
