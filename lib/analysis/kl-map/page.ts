// A KL map as one HTML file: no script, nothing fetched, and a policy that forbids both.
import { Html, html } from "../html.ts";
import type { KlMap, MapResponse } from "./kl-map.ts";
import { pageStyle } from "./page-style.ts";
import { heatLegend, heatMap, pictureRules, pictureView } from "./picture-view.ts";
import { klLegend, tokenText } from "./token-view.ts";

/** The whole page. The same map gives the same text. */
export function renderKlMap(map: KlMap): string {
  const style = new Html(`<style>${pageStyle}\n${pictureRules(map.pictures)}</style>`);
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta
          http-equiv="Content-Security-Policy"
          content="default-src 'none'; img-src data:; style-src 'unsafe-inline'"
        />
        <title>KL map of ${map.id}</title>
        ${style}
      </head>
      <body>
        ${header(map)} ${question(map)} ${legend()}
        ${map.responses.map((response, index) => responseCard(response, index, map))}
      </body>
    </html> `;
  return page.text;
}

function header({ id, model, file, row, settings }: KlMap): Html {
  const facts = Object.entries({ row: `${row} of ${file}`, model, ...settings });
  return html`<header>
    <h1>What the picture changes, token by token</h1>
    <p class="id">${id}</p>
    <dl>
      ${facts.map(
        ([name, value]) =>
          html`<div>
            <dt>${name}</dt>
            <dd>${value}</dd>
          </div>`,
      )}
    </dl>
  </header>`;
}

function question({ question: text, prompt, answer, pictures }: KlMap): Html {
  const views = pictures.flatMap(({ plain, masked }, index) => {
    const name = pictures.length === 1 ? "picture" : `picture ${index + 1}`;
    return [
      pictureView(plain, { kind: "plain", index, caption: name }),
      pictureView(masked, { kind: "masked", index, caption: `${name}, masked` }),
    ];
  });
  return html`<section class="question">
    <div class="pictures">${views}</div>
    <div class="words">
      <h2>Prompt</h2>
      <p class="text" dir="auto">${text}</p>
      <h2>Answer</h2>
      <p class="text" dir="auto">${answer}</p>
      <details>
        <summary>As the model was given it</summary>
        <pre dir="auto">${prompt}</pre>
      </details>
    </div>
  </section>`;
}

function legend(): Html {
  return html`<div class="legend">
    ${klLegend()} ${heatLegend()}
    <span class="note">Point at a token for its log-probs.</span>
  </div>`;
}

function responseCard(response: MapResponse, index: number, { responses, pictures }: KlMap): Html {
  const { tokens, finishReason, reward, meanKl, attention } = response;
  const maps = pictures.map(({ plain, ...grid }, picture) => {
    const overlay = heatMap(attention[picture] ?? [], grid);
    return pictureView(plain, { kind: "plain", index: picture, caption: "attention", overlay });
  });
  const rewards = Object.entries(reward).map(([part, value]) => html`<span class="badge">${part} <b>${short(value)}</b></span>`); // prettier-ignore
  const end = finishReason === "length" ? ", cut off" : "";
  return html`<section class="response">
    <div class="head">
      <h2>Response ${index + 1} of ${responses.length}</h2>
      <span class="badge">mean KL<sub>prcp</sub> <b>${meanKl.toFixed(3)}</b></span>
      ${rewards}
      <span class="note">${tokens.length} tokens${end}</span>
    </div>
    <div class="body">
      <div class="words">${tokenText(tokens)}</div>
      <div class="pictures">
        ${maps}
        <p class="note">${attentionWords(response)}</p>
      </div>
    </div>
  </section>`;
}

function attentionWords({ attention, attentionEntropy }: MapResponse): string {
  const weights = attention.flat();
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const most = (Math.max(0, ...weights) * weights.length) / sum;
  const entropy = attentionEntropy === null ? "" : `, entropy ${attentionEntropy.toFixed(4)}`;
  return `${(100 * sum).toFixed(1)} % on image tokens${entropy}; at most ${most.toFixed(1)} times an even share`;
}

function short(value: number): string {
  return String(Number(value.toFixed(3)));
}
