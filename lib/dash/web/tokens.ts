// A response token by token, coloured by what the picture changes, with the numbers of the token that is pointed at.
import { klLevel } from "../../analysis/kl-map/kl-level.ts";
import type { SampleResponse } from "../api.ts";
import { h } from "./dom.ts";
import { formatSigned, plural } from "./format.ts";
import { tokenKl } from "./token-kl.ts";

/** What is over it is left out and said so. */
const maxShownTokens = 20_000;

const tip = h("div", { id: "token-tip", role: "tooltip", hidden: true });

/** Arrow keys go from token to token. */
export function tokenText(response: SampleResponse): HTMLElement {
  const { tokens } = response;
  const numLeftOut = tokens.length - maxShownTokens;
  const spans = tokens.slice(0, maxShownTokens).map((_, index) => tokenSpan(response, index));
  const text = h("div", { class: "tokens", tabindex: "0", "aria-label": "response, token by token; arrow keys move" }, ...spans); // prettier-ignore
  let current = -1;
  const point = (index: number) => {
    spans[current]?.classList.remove("is-current");
    current = Math.min(spans.length - 1, Math.max(0, index));
    const span = spans[current];
    if (!span) return;
    span.classList.add("is-current");
    showTip(span, response, current);
  };
  const leave = () => {
    spans[current]?.classList.remove("is-current");
    tip.hidden = true;
  };
  text.addEventListener("mouseover", ({ target }) => {
    const index = spans.indexOf(target as HTMLSpanElement);
    if (index >= 0) point(index);
  });
  text.addEventListener("mouseleave", leave);
  text.addEventListener("blur", leave);
  text.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    point(current + step);
  });
  if (numLeftOut <= 0) return text;
  return h("div", {}, text, h("p", { class: "note" }, `${plural(numLeftOut, "more token")} not shown`));
}

function tokenSpan({ tokens, logProbs, maskedLogProbs }: SampleResponse, index: number): HTMLSpanElement {
  const [logProb = 0, masked] = [logProbs[index], maskedLogProbs[index]];
  const level = masked === undefined ? 0 : klLevel(tokenKl(logProb, masked));
  const isLess = level > 0 && masked !== undefined && masked > logProb;
  // A token without text is a part of the character that follows.
  return h("span", { class: `token k${level}${isLess ? " less" : ""}` }, tokens[index] || "▫");
}

function showTip(span: HTMLElement, { tokens, logProbs, maskedLogProbs }: SampleResponse, index: number): void {
  const [logProb = 0, masked] = [logProbs[index], maskedLogProbs[index]];
  const row = (name: string, value: string) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
  const rows = [row("log-prob, picture", formatSigned(logProb))];
  if (masked !== undefined) {
    rows.push(row("log-prob, masked", formatSigned(masked)));
    rows.push(row("KL_prcp", `${tokenKl(logProb, masked).toFixed(3)} nats`));
  }
  tip.replaceChildren(h("code", {}, JSON.stringify(tokens[index] ?? "")), h("dl", {}, ...rows));
  document.body.append(tip);
  tip.hidden = false;
  const [box, size] = [span.getBoundingClientRect(), tip.getBoundingClientRect()];
  const left = Math.max(8, Math.min(innerWidth - size.width - 8, box.left + box.width / 2 - size.width / 2));
  const above = box.top - size.height - 8;
  tip.style.left = `${left + scrollX}px`;
  tip.style.top = `${(above < 8 ? box.bottom + 8 : above) + scrollY}px`;
}
