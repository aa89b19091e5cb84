// Where in a text its answer is: in boxes, behind the word "answer", in the last formula, in the last number. Linear in
// the text, of which only the end is searched for anything but boxes.

/** Characters from the end that may hold an answer. */
export const searchedTail = 10_000;
/** Boxes or formulas that may be one answer of several values. */
const maxJoined = 101;
/** Characters behind the word "answer" in which its answer begins. */
const anchorReach = 100;

/** A formula in its marks; `$5 and $6` are prices, so a dollar behind a digit opens none. */
const marked =
  /\$\$([^$]{1,1000})\$\$|\\\[((?:[^\\]|\\(?!\])){1,1000})\\\]|(?<![\\\d])\$((?:\\\$|[^\n$]){1,500})\$|\\\(((?:[^\\]|\\(?!\))){1,500})\\\)/gu;
/** In prose a fraction is a formula without marks. */
const bareFraction = /-?\\[dt]?frac\s*\{[^{}]{1,50}\}\s*\{[^{}]{1,50}\}/gu;
const percentBehind = /^\$?\s*(?:\\?%|percent(?:age)?\b|pct\b)/iu;
const plainNumber =
  /(?<![\d.a-zA-Z])-?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:[.,]\d+)?|\.\d+)(?:\s*\/\s*\d+(?:\.\d+)?)?(?:\s*(?:%|percent(?:age)?\b|pct\b))?/giu;

/** Without white space and the given marks at the end; an expression for it would be quadratic in their runs. */
export function trimEnd(text: string, marks: string): string {
  let end = text.length;
  while (end > 0 && (marks.includes(text.charAt(end - 1)) || /\s/u.test(text.charAt(end - 1)))) end -= 1;
  return text.slice(0, end);
}

/** Markdown's `**7**`; `2**3**2` is no such thing. */
const bold = /(?<![\p{L}\p{N})*])\*\*(?=\S)([^*\n]{1,500})\*\*(?![\p{L}\p{N}*])/gu;

/** Something found in a text. */
interface Found {
  readonly answer: string;
  readonly start: number;
  readonly end: number;
}

/**
 * The answer that a text gives, as LaTeX or words. Several boxes or formulas joined by commas, `and`, `or` are one
 * answer of several values.
 */
export function extractAnswer(source: string): string {
  const text = withoutEscapes(source).replace(bold, "$1");
  const tail = text.slice(-searchedTail);
  const closing = closingSentence(tail);
  if (closing !== undefined) return lastFormula(closing)?.answer ?? lastNumber(closing)?.answer ?? closing;
  const boxed = joined(boxes(text), text);
  if (boxed !== undefined) return boxed.answer;
  if (!isProse(tail)) return wholeFormula(text);
  return behindAnchor(tail) ?? rightmost(joined(formulasIn(tail), tail), lastNumber(tail)) ?? text.trim();
}

/** What the last "The final answer is ... I hope it is correct." says. */
function closingSentence(text: string): string | undefined {
  const lower = text.toLowerCase();
  const [opening, end] = ["final answer is", lower.lastIndexOf("i hope")];
  const start = end < 0 ? -1 : lower.lastIndexOf(opening, end);
  return start < 0 ? undefined : trimEnd(text.slice(start + opening.length, end), ".").trim();
}

/** Commands with two backslashes were escaped once too often, unless the first two end a row. */
function withoutEscapes(text: string): string {
  const hasRows = /(?<!\\)\\begin/u.test(text);
  return hasRows ? text : text.replace(/\\\\(?=[a-zA-Z()[\]{}])/gu, "\\");
}

/** A text of formulas alone: what is in the marks where nothing that counts stands outside, else all without marks. */
function wholeFormula(text: string): string {
  const outside = text.replace(marked, " ").replace(/\\?[\p{L}]{2,}/gu, " ");
  if (!/[\p{L}\p{N}]/u.test(outside)) {
    const inMarks = joined(markedIn(text), text);
    if (inMarks !== undefined) return inMarks.answer;
  }
  return text.replace(/(?<!\\)\$|\\[()[\]]/gu, " ").trim();
}

/** Whether there are words around the formulas: two or more that are no commands, or signs of another script. */
export function isProse(text: string): boolean {
  if (/\p{Lo}|\banswer\b/iu.test(text)) return true;
  const around = text.replace(marked, " ").replace(withinCommands, " ");
  const words = around.match(/\p{Lu}?\p{Ll}{2,}|\b(?:is|of|so|to|we|it)\b/gu) ?? [];
  return words.filter((word) => !formulaWords.has(word.toLowerCase())).length >= 2;
}

const withinCommands = /\\(?:text|mathrm|textbf|mbox|begin|end)\s*\{[^{}]*\}|\\[a-zA-Z]+/gu;
const formulaWords = new Set("and or sin cos tan log ln sqrt pi cm mm km pct percent exp mod inf".split(" "));

/** Outermost boxes whose braces close. */
function boxes(text: string): Found[] {
  const found: Found[] = [];
  const opening = /\\\\?(?:boxed|fbox)\s*\{/gu;
  for (let match = opening.exec(text); match !== null; match = opening.exec(text)) {
    const end = closingBrace(text, opening.lastIndex);
    // What never closes reaches to the end, and so do the boxes in it.
    if (end === undefined) break;
    found.push(
      withPercent(text, { answer: text.slice(opening.lastIndex, end).trim(), start: match.index, end: end + 1 }),
    );
    opening.lastIndex = end;
  }
  return found;
}

function closingBrace(text: string, from: number): number | undefined {
  let depth = 0;
  for (let end = from; end < text.length; end += 1) {
    if (text[end] === "{") depth += 1;
    else if (text[end] === "}" && depth === 0) return end;
    else if (text[end] === "}") depth -= 1;
  }
  return undefined;
}

/** Formulas in their marks, but for dollars that stand around words. */
function markedIn(text: string): Found[] {
  return Array.from(text.matchAll(marked), (match) => {
    const answer = (match[1] ?? match[2] ?? match[3] ?? match[4] ?? "").trim();
    return withPercent(text, { answer, start: match.index, end: match.index + match[0].length });
  }).filter(({ answer }) => !isProse(answer));
}

function formulasIn(text: string): Found[] {
  const found = markedIn(text);
  const fractions = Array.from(text.matchAll(bareFraction), ({ 0: answer, index }) =>
    withPercent(text, { answer, start: index, end: index + answer.length }),
  ).filter(({ start }) => !found.some((other) => other.start <= start && start < other.end));
  return fractions.length === 0 ? found : [...found, ...fractions].sort((a, b) => a.start - b.start);
}

/** Takes a percent sign along that stands behind the marks. */
function withPercent(text: string, { answer, start, end }: Found): Found {
  const percent = percentBehind.exec(text.slice(end, end + 20))?.[0];
  return percent === undefined ? { answer, start, end } : { answer: `${answer}\\%`, start, end: end + percent.length };
}

/** The last of what was found, with those before it, up to 100, that only `and`, `or` or a comma sets apart. */
function joined(found: readonly Found[], text: string): Found | undefined {
  const last = found.at(-1);
  if (last === undefined) return undefined;
  const parts = [last.answer];
  let { start } = last;
  for (const before of found.slice(-maxJoined, -1).reverse()) {
    if (!isConnector(text.slice(before.end, start))) break;
    parts.unshift(before.answer);
    start = before.start;
  }
  return { answer: parts.join(" , "), start, end: last.end };
}

/** Few words that end in `and`, `or` or a comma, and the name of what follows; or a few signs without words. */
function isConnector(gap: string): boolean {
  if (gap.length > 80) return false;
  const words = gap.replace(/\\(?:quad|qquad|[,;! ()[\]])|\\text\s*\{([^{}]*)\}|\$/gu, " $1 ");
  return /^(?:[\p{L}()\s]*\s)?,?\s*(?:and|or|,)\s*(?:[\p{L}_{}\d]+\s*=\s*)?$|^[^\p{L}\p{N}\n.]*$/u.test(words);
}

/** What follows the last "answer": its formula or number. */
function behindAnchor(text: string): string | undefined {
  const anchors = Array.from(text.matchAll(/answer/giu));
  const last = anchors.at(-1);
  if (last === undefined) return undefined;
  const said = /final answer.{0,100}?\sis:?\s*(?=[-$\\\d.(])/isu.exec(text);
  const rest = said === null ? text.slice(last.index + "answer".length) : text.slice(said.index + said[0].length);
  const letter = /^\s*(?:is|:)?\s*:?\s*\**\(?([A-J])\)?\**(?=[\s.,:)]|$)/u.exec(rest)?.[1];
  if (letter !== undefined) return letter;
  const near = [formulasIn(rest)[0], numbersIn(rest)[0]].filter(
    (found) => found !== undefined && found.start <= anchorReach,
  );
  return near.sort((a, b) => (a?.start ?? 0) - (b?.start ?? 0))[0]?.answer;
}

function lastFormula(text: string): Found | undefined {
  return joined(formulasIn(text), text);
}

const numbersIn = (text: string): Found[] =>
  Array.from(text.matchAll(plainNumber), ({ 0: answer, index }) => ({
    answer,
    start: index,
    end: index + answer.length,
  }));
const lastNumber = (text: string): Found | undefined => numbersIn(text).at(-1);

function rightmost(a: Found | undefined, b: Found | undefined): string | undefined {
  if (a === undefined || b === undefined) return (a ?? b)?.answer;
  return b.start >= a.end ? b.answer : a.answer;
}
