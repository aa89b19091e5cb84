// The page: runs at the side, views as tabs, the event stream behind them.
import "uplot/dist/uPlot.min.css";
import "./style.css";
import { AlarmsView, numAlarms } from "./alarms-view.ts";
import { ConfigView } from "./config-view.ts";
import { CurvesView } from "./curves-view.ts";
import { emptyState, h } from "./dom.ts";
import { EvaluationsView } from "./evaluations-view.ts";
import { listenToKeys } from "./keys.ts";
import { listen } from "./live.ts";
import { runsList } from "./runs-list.ts";
import { SamplesView } from "./samples-view.ts";
import { askRuns } from "./server.ts";
import { state } from "./state.ts";

const curves = new CurvesView();
const samples = new SamplesView();
const views = [
  { name: "curves", title: "Curves", view: curves },
  { name: "samples", title: "Samples", view: samples },
  { name: "evaluations", title: "Evaluations", view: new EvaluationsView() },
  { name: "config", title: "Config", view: new ConfigView() },
  { name: "alarms", title: "Alarms", view: new AlarmsView() },
] as const;

function show(name: string): void {
  const known = views.some((view) => view.name === name) ? name : "curves";
  for (const { name: other, view } of views) {
    const isShown = other === known;
    view.element.hidden = !isShown;
    if ("show" in view) view.show(isShown);
    const tab = document.getElementById(`tab-${other}`);
    if (isShown) tab?.setAttribute("aria-current", "page");
    else tab?.removeAttribute("aria-current");
  }
}

function tabs(): HTMLElement {
  const links = views.map(({ name, title }) => h("a", { href: `#${name}`, id: `tab-${name}` }, title));
  const count = h("span", { class: "count", hidden: true });
  links.at(-1)?.append(count);
  state.on("runs", () => {
    count.textContent = String(numAlarms());
    count.hidden = numAlarms() === 0;
  });
  return h("nav", { "aria-label": "Views" }, ...links);
}

function linkState(): HTMLElement {
  const text = h("span", {}, "connecting");
  const badge = h("span", { class: "link", role: "status" }, text);
  state.on("link", () => {
    badge.classList.toggle("is-live", state.isLive);
    text.textContent = state.isLive ? "live" : "not connected";
  });
  return badge;
}

function layOut(): void {
  const side = h("aside", {}, h("h1", {}, "papo"), linkState(), runsList());
  const main = h("main", {}, tabs(), ...views.map(({ view }) => view.element));
  document.body.replaceChildren(h("div", { class: "page" }, side, main));
}

async function start(): Promise<void> {
  layOut();
  addEventListener("hashchange", () => { show(location.hash.slice(1)); }); // prettier-ignore
  listenToKeys({
    tabs: views.map(({ name }) => name),
    moveSample: (by) => { samples.move(by); }, // prettier-ignore
  });
  const { runs } = await askRuns();
  state.setRuns(runs);
  document.title = runs.length === 1 ? `${runs[0]?.name ?? ""} · papo` : `${runs.length} runs · papo`;
  show(location.hash.slice(1) || (runs.length === 0 ? "evaluations" : "curves"));
  listen({
    rows: (event) => { curves.curves.add(event); }, // prettier-ignore
    anew: (run) => { curves.curves.forget(run); }, // prettier-ignore
  });
}

start().catch((error: unknown) => {
  document.body.replaceChildren(emptyState("The dashboard does not answer", (error as Error).message));
});
