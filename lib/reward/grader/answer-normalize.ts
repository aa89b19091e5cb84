import { latexToText } from "./latex-text.ts";
import { textBody } from "./math-normalize.ts";
import { integerText, isIntegral, parseFinite, strip } from "./python-text.ts";

const units = "degree cm centimeter meter mile second minute hour day week month year foot feet inch yard"
  .split(" ")
  .map((unit) => new RegExp(`${unit}(?:es)?s? *(?:\\^[0-9]+)?`, "g"));

const magnitudes = [
  ["million", "*10^6"],
  ["billion", "*10^9"],
  ["trillion", "*10^12"],
] as const;

// What the text form of LaTeX writes with a sign that a formula parser knows by another name.
const signs = [
  ["√", "sqrt"],
  ["π", "pi"],
  ["∞", "inf"],
  ["∪", "U"],
  ["·", "*"],
  ["×", "*"],
] as const;

/**
 * The string that answers are compared by after mathNormalize: no units, dollars, percents, spaces or braces; LaTeX as
 * plain text (`\frac{1}{2}` gives `1/2`); `7 3/4` gives `7+3/4`; `1,234.0` gives `1234`; lower case.
 * Units go inside words too ("monday" becomes "mon"), as published: both answers are treated alike.
 * Source: MathRuler grader.py, _normalize (after prm800k's).
 */
export function normalizeAnswer(answer: string): string {
  let text = withoutUnits(withoutWrapping(textBody(answer) ?? answer));
  if (text.startsWith("{") && text.endsWith("}")) text = text.slice(1, -1);
  text = text.replace(/,\\! */g, "");
  const value = parseFinite(text);
  if (value !== undefined && isIntegral(value)) text = integerText(Math.round(value));
  if (text.includes("\\")) text = plainText(text);
  text = text
    .replace(/- */g, "-")
    .replace(/([0-9]) +([0-9])/g, "$1+$2")
    .replace(/[ {}]/g, "")
    .toLowerCase();
  const integer = parseInteger(text);
  return integer === undefined ? text : integerText(Math.trunc(integer));
}

/** Whether a normalised answer reads as an integer, thousands commas allowed. */
export function isIntegerText(text: string): boolean {
  return parseInteger(text) !== undefined;
}

/**
 * Drops commas between a digit and exactly three digits, left to right until nothing changes.
 * A match takes the character behind its three digits, so four groups keep one comma (1,234,567,890 gives
 * 1234,567890); the published verdicts have it so.
 */
export function withoutThousandsCommas(text: string): string {
  const next = text.replace(/(\p{Nd}),(\p{Nd}{3})($|\P{Nd})/gu, "$1$2$3");
  return next === text ? text : withoutThousandsCommas(next);
}

function withoutWrapping(answer: string): string {
  let text = answer.replaceAll("\\%", "%").replaceAll("\\$", "$").replace(/[$%]/g, "");
  text = text.replaceAll(" or ", " , ").replaceAll(" and ", " , ");
  for (const [name, factor] of magnitudes) text = text.replaceAll(name, factor);
  return text;
}

function withoutUnits(answer: string): string {
  let text = answer;
  for (const unit of units) text = text.replace(unit, "");
  return text.replace(/\^ *\\circ/g, "");
}

/** LaTeX as text, or unchanged where it cannot be read. The space before a fraction sets mixed numbers apart. */
function plainText(latex: string): string {
  const fractions = latex
    .replaceAll("\\tfrac", "\\frac")
    .replaceAll("\\dfrac", "\\frac")
    .replaceAll("\\frac", " \\frac");
  const text = latexToText(fractions);
  if (text === undefined) return latex;
  return strip(signs.reduce((result, [sign, name]) => result.replaceAll(sign, name), text));
}

function parseInteger(text: string): number | undefined {
  const value = parseFinite(withoutThousandsCommas(text));
  return value !== undefined && isIntegral(value) ? value : undefined;
}
