// The few rules of Python's str and float that the published grader's verdicts depend on.

/** What str.isspace and a regular expression's \s accept: JavaScript's \s less U+FEFF, plus 1C to 1F and NEL. */
const spaces = "\\t-\\r\\x1c- \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const space = new RegExp(`[${spaces}]`);
const leadingSpaces = new RegExp(`^[${spaces}]+`);

// A sign, then digits with a fraction or a fraction alone; single underscores between digits, as in 1_000.
const floatText = /^[+-]?(?:\d(?:_?\d)*(?:\.(?:\d(?:_?\d)*)?)?|\.\d(?:_?\d)*)(?:[eE][+-]?\d(?:_?\d)*)?$/;

/** Whether one character is white space to Python. */
export function isSpace(character: string): boolean {
  return space.test(character);
}

/** str.lstrip(). */
export function stripStart(text: string): string {
  return text.replace(leadingSpaces, "");
}

/** str.rstrip(), by a loop: an end-anchored expression would be quadratic in runs of white space. */
export function stripEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end);
}

/** str.strip(). */
export function strip(text: string): string {
  return stripEnd(stripStart(text));
}

/** float(text) where that is finite, else undefined. Differs: digits other than 0 to 9 are not read. */
export function parseFinite(text: string): number | undefined {
  const number = strip(text);
  if (!floatText.test(number)) return undefined;
  const value = Number(number.replaceAll("_", ""));
  return Number.isFinite(value) ? value : undefined;
}

/** Whether a number is within 1e-7 of an integer. */
export function isIntegral(value: number): boolean {
  return Math.abs(value - Math.round(value)) <= 1e-7;
}

/** str(int(value)) of an integer-valued number: all digits, never an exponent or "-0". */
export function integerText(value: number): string {
  return BigInt(value).toString();
}
