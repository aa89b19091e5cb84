// LaTeX (and formulas written plainly) cut into what the parser reads: numbers, names, signs, words.
import { constantNames, functionNamed, UnreadableFormula } from "./expression.ts";
import { commands, invisible, isUnit, signs, symbols, textual } from "./latex-names.ts";

export type LatexToken =
  | { readonly kind: "number"; readonly text: string }
  /** A letter, a Greek letter, a constant. */
  | { readonly kind: "symbol"; readonly text: string }
  | { readonly kind: "function"; readonly text: string }
  /** `\frac`, `\sqrt` and other commands with arguments. */
  | { readonly kind: "command"; readonly text: string }
  /** An operator, a bracket, a relation. */
  | { readonly kind: "sign"; readonly text: string }
  /** The text of `\text{}` and its like, or a word of several letters. */
  | { readonly kind: "words"; readonly text: string };

/** Signs that may stand for one of the parser's. */
const spellings: Readonly<Record<string, string>> = {
  ...{ "×": "*", "·": "*", "⋅": "*", "÷": "/", "−": "-", "–": "-", "**": "^" },
  ...{ "<=": "≤", "⩽": "≤", ">=": "≥", "⩾": "≥", "!=": "≠", "==": "=" },
  ...{ "′": "'", º: "°", "；": ";", "，": ",", "：": ":" },
};
const signPattern = /(?:<=|>=|!=|==|\*\*|[-+*/^_=<>()[\]{}|,;:!%&'~×·⋅÷−–±∓≤≥≠⩽⩾∈∪∩∖°º′≈≅∥⊥→；，：])/uy;
const numberPattern = /\d{1,3}(?:(?:\{,\}|,\\!)\s*\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+/uy;
/** Of 1.5E-3; a small e may be the constant. */
const exponentPattern = /E[+-]?\d+/uy;
/** White space, dollars and other currencies, points that are in no number. */
const skippedPattern = /(?:[\s$€£¥₹]|\.(?!\d))+/uy;
const wordPattern = /\p{L}+/uy;
/** Of its letters only `m` would be read as a name. */
const speedPattern = /m\/s(?!\p{L})/uy;
const commandPattern = /\\(?:[a-zA-Z]+|[^])/uy;

/** @throws {UnreadableFormula} where a character has no place in a formula, or a brace of words is not closed */
export function tokenizeLatex(latex: string): LatexToken[] {
  const reader = new LatexReader(latex);
  const tokens: LatexToken[] = [];
  for (let next = reader.next(); next !== undefined; next = reader.next()) tokens.push(...next);
  return tokens;
}

class LatexReader {
  private readonly latex: string;
  private position = 0;

  constructor(latex: string) {
    this.latex = latex;
  }

  /** What the next piece of the text stands for; undefined at the end. */
  next(): LatexToken[] | undefined {
    this.take(skippedPattern);
    if (this.position >= this.latex.length) return undefined;
    const digits = this.take(numberPattern);
    if (digits !== undefined) return this.numberTokens(digits);
    const command = this.take(commandPattern)?.slice(1);
    if (command !== undefined) return textual.has(command) ? textTokens(this.braced()) : commandTokens(command);
    if (this.take(speedPattern) !== undefined) return [{ kind: "words", text: "m/s" }];
    const word = this.take(wordPattern);
    if (word !== undefined) return wordTokens(word);
    const sign = this.take(signPattern);
    if (sign !== undefined) return [{ kind: "sign", text: spellings[sign] ?? sign }];
    throw new UnreadableFormula(`no formula has the character ${this.latex.charAt(this.position)}`);
  }

  private take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.position;
    const found = pattern.exec(this.latex)?.[0];
    this.position += found?.length ?? 0;
    return found;
  }

  private numberTokens(digits: string): LatexToken[] {
    const token: LatexToken = { kind: "number", text: digits.replace(/[^\d.]/gu, "") };
    const exponent = this.take(exponentPattern)?.slice(1);
    return exponent === undefined ? [token] : [token, ...tokenizeLatex(`*10^{${exponent}}`)];
  }

  /** The body of the braces that open here, or the one character here. */
  private braced(): string {
    this.take(/ +/uy);
    const start = this.position;
    let depth = 0;
    while (this.position < this.latex.length) {
      const character = this.latex.charAt(this.position);
      this.position += 1;
      if (character === "{") depth += 1;
      if (character === "}") depth -= 1;
      if (depth > 0) continue;
      return this.position === start + 1 ? character : this.latex.slice(start + 1, this.position - 1);
    }
    throw new UnreadableFormula("a brace is not closed");
  }
}

function commandTokens(command: string): LatexToken[] {
  if (invisible.has(command)) return [];
  const symbol = symbols.get(command);
  if (symbol !== undefined) return [{ kind: "symbol", text: symbol }];
  const sign = signs.get(command);
  if (sign !== undefined) return [{ kind: "sign", text: sign }];
  const known = functionNamed(command);
  if (known !== undefined) return [{ kind: "function", text: known }];
  if (commands.has(command)) return [{ kind: "command", text: command.replace(/^[dtc](?=frac|binom)/u, "") }];
  return runOn(command);
}

/** `\pir` and `\quadx` were meant as `\pi r` and `\quad x`; what nobody knows is a symbol. */
function runOn(command: string): LatexToken[] {
  for (let end = command.length - 1; end > 1; end -= 1) {
    const name = command.slice(0, end);
    if (invisible.has(name) || symbols.has(name) || signs.has(name))
      return [...commandTokens(name), ...wordTokens(command.slice(end))];
  }
  return [{ kind: "symbol", text: `\\${command}` }];
}

/** Text is words; a function, a number or a letter in it is what it is outside. */
function textTokens(body: string): LatexToken[] {
  const text = body
    .replace(/[~\s]+/gu, " ")
    .replace(/\\[,;:! ]/gu, "")
    .trim();
  if (text === "") return [];
  if (/^-?\d+$/u.test(text) || /^[a-zA-Z]$/u.test(text) || functionNamed(text)) return tokenizeLatex(text);
  return wordSign(text);
}

/** Up to three letters are a product, unless they are a word such as `Yes`, `no`, `Ann`; longer ones are words. */
function wordTokens(word: string): LatexToken[] {
  const known = functionNamed(word);
  if (known !== undefined) return [{ kind: "function", text: known }];
  if (word === "sqrt") return [{ kind: "command", text: word }];
  if (/^(?:infinity|inf|oo)$/u.test(word)) return commandTokens("infty");
  if (word === "pi") return commandTokens(word);
  const isWord = word.length > 3 || /^(?:and|or|pct|mod|yes|no|No|\p{Lu}\p{Ll}{2,})$/u.test(word);
  if (isWord || isUnit(word)) return wordSign(word);
  return Array.from(word, letterToken);
}

/** Letters that stand for a number. */
const letterConstants: Readonly<Record<string, string>> = {
  e: constantNames.e,
  i: constantNames.i,
  π: constantNames.pi,
};
const letterToken = (letter: string): LatexToken => ({ kind: "symbol", text: letterConstants[letter] ?? letter });

/** Words that join answers, measure or divide them are signs. */
function wordSign(text: string): LatexToken[] {
  if (/^,?\s*(?:and|or)$/iu.test(text)) return [{ kind: "sign", text: "," }];
  if (text === "mod") return [{ kind: "sign", text }];
  if (/^(?:pct|percent|percentage)$/iu.test(text)) return [{ kind: "sign", text: "%" }];
  if (/^degrees?$/iu.test(text)) return [{ kind: "sign", text: "°" }];
  return [{ kind: "words", text }];
}
