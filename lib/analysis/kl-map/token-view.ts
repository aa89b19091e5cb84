// Tokens coloured by their KL, and what the colours mean.
import { type Html, html } from "../html.ts";
import { klEdges, klLevel } from "./kl-level.ts";
import type { MapToken } from "./kl-map.ts";

/** Of a response; what is over it is left out and said so. */
export const maxShownTokens = 20_000;

/** The tokens as text; pointing at one shows its numbers. */
export function tokenText(tokens: readonly MapToken[]): Html {
  const numLeftOut = tokens.length - maxShownTokens;
  const note = numLeftOut > 0 ? [html`<p class="note">${numLeftOut} more tokens are not shown.</p>`] : [];
  return html`<div class="tokens" dir="auto">${tokens.slice(0, maxShownTokens).map(tokenSpan)}</div>
    ${note}`;
}

function tokenSpan(token: MapToken): Html {
  const level = klLevel(token.kl);
  const isLikelierMasked = level > 0 && token.maskedLogProb > token.logProb;
  const classes = `t k${level}${isLikelierMasked ? " less" : ""}`;
  // A token without text is a part of the character that follows.
  return html`<span class="${classes}" title="${numbersOf(token)}">${token.text === "" ? "▫" : token.text}</span>`;
}

function numbersOf({ logProb, maskedLogProb, kl }: MapToken): string {
  const lines = [
    `log prob, picture  ${signed(logProb)}`,
    `log prob, masked   ${signed(maskedLogProb)}`,
    `log ratio          ${signed(logProb - maskedLogProb)}`,
    `KL (k3)             ${kl.toFixed(4)} nats`,
  ];
  return lines.join("\n");
}

function signed(value: number): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}`;
}

/** What the colours of tokens mean. */
export function klLegend(): Html {
  const bounds = [0, ...klEdges];
  const swatches = bounds.map((edge, level) => {
    const next = bounds[level + 1];
    return html`<span class="t k${level}">${next === undefined ? `≥ ${edge}` : `${edge}–${next}`}</span>`;
  });
  return html`<span>KL<sub>prcp</sub> of a token, nats</span>
    <span class="scale">${swatches}</span>
    <span><span class="t k3 less">dotted</span> likelier on the masked picture</span>`;
}
