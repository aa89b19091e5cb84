// Keys, which `?` lists.
import { h } from "./dom.ts";
import { state } from "./state.ts";

export interface KeyTargets {
  /** In order: 1 is the first. */
  readonly tabs: readonly string[];
  readonly moveSample: (by: number) => void;
}

const keys: readonly (readonly [string, string])[] = [
  ["1 … 5", "curves, samples, evaluations, config, alarms"],
  ["/", "filter"],
  ["l", "log scale"],
  ["s", "smoothing: arrow keys change it"],
  ["a", "all steps, after zooming in"],
  ["← →", "samples: step before, next step"],
  ["?", "this list"],
];

export function listenToKeys({ tabs, moveSample }: KeyTargets): void {
  const help = helpDialog();
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target as HTMLElement;
    if (event.key === "Escape") target.blur();
    if (target.matches("input:not([type=checkbox]), select, textarea")) return;
    const tab = tabs[Number(event.key) - 1];
    if (tab !== undefined) location.hash = tab;
    else if (event.key === "/") focusOn(event, "section:not([hidden]) input[type=search]");
    else if (event.key === "s") focusOn(event, "section:not([hidden]) #smoothing");
    else if (event.key === "l") document.getElementById("log")?.click();
    else if (event.key === "a") state.setLook({ range: undefined });
    else if (event.key === "?") help.showModal();
    else if (location.hash === "#samples" && event.key === "ArrowLeft") moveSample(-1);
    else if (location.hash === "#samples" && event.key === "ArrowRight") moveSample(1);
  });
}

function focusOn(event: KeyboardEvent, selector: string): void {
  event.preventDefault();
  document.querySelector<HTMLElement>(selector)?.focus();
}

function helpDialog(): HTMLDialogElement {
  const rows = keys.map(([key, text]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, text)));
  const close = h("button", { type: "button", onclick: () => { dialog.close(); } }, "Close"); // prettier-ignore
  const dialog = h("dialog", { "aria-label": "Keys" }, h("h2", {}, "Keys"), h("dl", {}, ...rows), close);
  document.body.append(dialog);
  return dialog;
}
