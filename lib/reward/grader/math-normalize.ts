import { strip } from "./python-text.ts";

/** The body of a text that is wholly `\text{...}` on one line; undefined otherwise. */
export function textBody(text: string): string | undefined {
  return /^\\text\{([^\n]+?)\}\n?$/.exec(text)?.[1];
}

/**
 * The MATH data set's canonical string of an answer: `\text{}` unwrapped, spacing, degrees, dollars, percents and
 * units on the right dropped, `\frac12` and `1/2` written `\frac{1}{2}`, `x=` dropped.
 * An answer that breaks a rule half-way (`\sqrt` or `\frac` at its end, two units) is returned stripped and unwrapped.
 * Source: MathRuler math_normalize.py, normalize_answer, after the MATH data set's math_equivalence.
 */
export function mathNormalize(answer: string): string {
  const stripped = strip(answer);
  const body = textBody(stripped);
  const text = body === undefined ? stripped : strip(body);
  return canonical(text) ?? text;
}

/** Undefined where the published rules raise. */
function canonical(answer: string): string | undefined {
  const plain = withoutUnits(withoutSpacing(answer));
  if (plain === undefined) return undefined;
  const text = completeDecimals(plain.replaceAll("\\%", "").replaceAll("%", ""));
  if (text === "") return "";
  const roots = braceRoots(withoutName(text));
  if (roots === undefined) return undefined;
  const fractions = braceFractions(roots.replaceAll(" ", ""));
  if (fractions === undefined) return undefined;
  return fractions === "0.5" ? "\\frac{1}{2}" : slashToFraction(fractions);
}

function withoutSpacing(text: string): string {
  return text
    .replaceAll("\n", "")
    .replaceAll("\\!", "")
    .replaceAll("\\\\", "\\")
    .replaceAll("tfrac", "frac")
    .replaceAll("dfrac", "frac")
    .replaceAll("\\left", "")
    .replaceAll("\\right", "")
    .replaceAll("^{\\circ}", "")
    .replaceAll("^\\circ", "")
    .replaceAll("\\$", "");
}

/** `5\text{ cm}` gives `5`; several such units have no meaning. */
function withoutUnits(text: string): string | undefined {
  const parts = text.split("\\text{ ");
  return parts.length > 2 ? undefined : parts[0];
}

function completeDecimals(text: string): string {
  const complete = text.replaceAll(" .", " 0.").replaceAll("{.", "{0.");
  return complete.startsWith(".") ? `0${complete}` : complete;
}

/** `k=5` gives `5`: a name of at most two characters before the only equals sign. */
function withoutName(text: string): string {
  const [name = "", value, ...more] = text.split("=");
  return value !== undefined && more.length === 0 && Array.from(name).length <= 2 ? value : text;
}

/** `\sqrt3` gives `\sqrt{3}`. */
function braceRoots(text: string): string | undefined {
  const [head = "", ...parts] = text.split("\\sqrt");
  let result = head;
  for (const part of parts) {
    const [first] = part;
    if (first === undefined) return undefined;
    result += first === "{" ? `\\sqrt${part}` : `\\sqrt{${first}}${part.slice(first.length)}`;
  }
  return result;
}

/** `\frac12`, `\frac1{72}` give `\frac{1}{2}`, `\frac{1}{72}`; one without a denominator leaves the text as it is. */
function braceFractions(text: string): string | undefined {
  const [head = "", ...parts] = text.split("\\frac");
  let result = head;
  for (const part of parts) {
    const [top, bottom] = part;
    if (top === undefined) return undefined;
    if (top === "{") {
      result += `\\frac${part}`;
    } else if (bottom === undefined) {
      return text;
    } else {
      const rest = part.slice(top.length + bottom.length);
      result += `\\frac{${top}}${bottom === "{" ? bottom : `{${bottom}}`}${rest}`;
    }
  }
  return result;
}

/** `3/4` of two plainly written integers gives `\frac{3}{4}`. */
function slashToFraction(text: string): string {
  return text.replace(/^(0|-?[1-9][0-9]*)\/(0|-?[1-9][0-9]*)$/, "\\frac{$1}{$2}");
}
