// Pictures and attention over them. A picture's bytes are in the page once, as the background of its class.
import { Html, html } from "../html.ts";
import type { EmbeddedPicture, MapPicture } from "./kl-map.ts";

/** Share of image tokens whose attention lies under full colour: one or two that stand out do not fade the rest. */
const fullColourQuantile = 0.98;

/** Of the full colour: the picture shows through. */
const fullOpacity = 0.7;

const dataUrl = /^data:image\/(?:png|jpeg|webp);base64,[A-Za-z0-9+/]+={0,2}$/u;

/**
 * The rules behind `pictureView`.
 * @throws {TypeError} for a picture that is no data URL
 */
export function pictureRules(pictures: readonly MapPicture[]): string {
  const rule = (name: string, { dataUrl: url }: EmbeddedPicture) => {
    if (!dataUrl.test(url)) throw new TypeError(`[pictureRules] expected a data URL of a picture, got ${url.slice(0, 40)}`); // prettier-ignore
    return `.${name}{background-image:url("${url}")}`;
  };
  return pictures.flatMap(({ plain, masked }, index) => [rule(`plain-${index}`, plain), rule(`masked-${index}`, masked)]).join("\n"); // prettier-ignore
}

interface View {
  readonly kind: "plain" | "masked";
  /** Of the picture. */
  readonly index: number;
  readonly caption: string;
  readonly overlay?: Html;
}

export function pictureView({ width, height }: EmbeddedPicture, { kind, index, caption, overlay }: View): Html {
  const small = Math.max(width, height) < 224 ? " small" : "";
  return html`<figure style="--ratio:${width / height}">
    <div class="picture ${kind}-${index}${small}" role="img" aria-label="${caption}">${overlay ?? new Html("")}</div>
    <figcaption>${caption}</figcaption>
  </figure>`;
}

/**
 * Attention on each image token as coloured cells over the picture: from none at 0 to red at the 98th percentile.
 * @param attention row by row of the grid
 */
export function heatMap(attention: readonly number[], { rows, columns }: Pick<MapPicture, "rows" | "columns">): Html {
  const full = quantile(attention, fullColourQuantile);
  const cells = attention.map((weight, index) => {
    const value = full > 0 ? Math.min(1, weight / full) : 0;
    const [x, y] = [index % columns, Math.floor(index / columns)];
    const colour = `hsl(${Math.round(52 * (1 - value))} 100% 50%)`;
    const opacity = (fullOpacity * value).toFixed(3);
    // prettier-ignore
    return html`<rect x="${x}" y="${y}" width="1" height="1" fill="${colour}" fill-opacity="${opacity}"/>`;
  });
  return html`<svg viewBox="0 0 ${columns} ${rows}" preserveAspectRatio="none" aria-hidden="true">${cells}</svg>`;
}

/** What the colours of `heatMap` mean. */
export function heatLegend(): Html {
  return html`<span>Attention of a response: 0<span class="heat"></span>98th percentile and more</span>`;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(share * (sorted.length - 1))] ?? 0;
}
