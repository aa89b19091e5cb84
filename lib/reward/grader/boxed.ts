import { strip } from "./python-text.ts";

const opening = "\\boxed{";

/**
 * Content of the last `\boxed{`, up to its matching brace, stripped; undefined when there is none or it never closes.
 * Backslashes do not protect a brace: `\boxed{\{1\}}` gives `\{1\}` because its braces balance.
 * Differs: the reference gives the string "None" for a missing box, which a ground truth "None" would reward.
 * Source: MathRuler grader.py, extract_boxed_content.
 */
export function lastBoxed(text: string): string | undefined {
  const found = text.lastIndexOf(opening);
  if (found < 0) return undefined;
  const start = found + opening.length;
  let depth = 0;
  for (let end = start; end < text.length; end += 1) {
    const character = text.charAt(end);
    if (character === "{") depth += 1;
    else if (character === "}") depth -= 1;
    if (depth < 0) return strip(text.slice(start, end));
  }
  return undefined;
}
