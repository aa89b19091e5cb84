// Pairs of timings as a table of ratios, for people and for Markdown.

/** @typedef {import("./runs.mjs").Timing} Timing */
/** @typedef {{ papo: readonly Timing[], peer: readonly Timing[] }} Pairs the i-th of both ran one after the other */

export const phases = /** @type {const} */ (["rollout", "old", "ref", "aug", "update", "total"]);

/** @param {readonly number[]} values one or more */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/**
 * Median, least and largest of each pair's peer / papo; undefined where papo does not run that phase, or the peer none.
 * @param {Pairs} pairs
 * @param {string} key
 */
export function ratios({ papo, peer }, key) {
  const all = peer.map((timing, index) => (timing[key] ?? Number.NaN) / (papo[index]?.[key] ?? Number.NaN));
  if (all.length === 0 || !all.every(Number.isFinite)) return undefined;
  return { median: median(all), min: Math.min(...all), max: Math.max(...all) };
}

/** @param {ReturnType<typeof ratios>} spread */
function ratioText(spread) {
  if (spread === undefined) return "";
  const { median: middle, min, max } = spread;
  return `${middle.toFixed(2)} (${min.toFixed(2)} to ${max.toFixed(2)})`;
}

/**
 * @param {readonly Timing[]} timings
 * @param {string} key
 */
function medianText(timings, key) {
  const values = timings.map((timing) => timing[key] ?? Number.NaN);
  return values.length === 0 ? "" : median(values).toPrecision(3);
}

/**
 * A shape's rows: phase, seconds of both sides (medians), and the ratio of the pairs.
 * @param {Pairs} pairs
 * @returns {string[][]}
 */
export function shapeRows(pairs) {
  const row = (/** @type {string} */ name, /** @type {string} */ key) => [
    name,
    medianText(pairs.papo, key),
    medianText(pairs.peer, key),
    ratioText(ratios(pairs, key)),
  ];
  return [...phases.map((phase) => row(`${phase}, s`, `${phase}_s`)), row("peak memory, GiB", "peak_rss_gib")];
}

/**
 * A Markdown table with columns of equal width, as prettier lays it out.
 * @param {readonly string[]} header
 * @param {readonly (readonly string[])[]} rows
 */
export function markdownTable(header, rows) {
  const widths = header.map((title, at) => Math.max(3, title.length, ...rows.map((row) => row[at]?.length ?? 0)));
  const line = (/** @type {readonly string[]} */ cells) =>
    `| ${widths.map((width, at) => (cells[at] ?? "").padEnd(width)).join(" | ")} |`;
  return [line(header), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}
