// LaTeX cut into tokens on demand, as pylatexenc's tolerant parser cuts it. `$` and `%` are ordinary characters here.
import { UnreadableLatex } from "./latex-macros.ts";
import { isSpace } from "./python-text.ts";

// A macro whose arguments run into the end is read again without them; nested ones would double the work each time.
const workPerCharacter = 20;

/** Signs that stand for others. */
const specials: readonly (readonly [string, string])[] = [
  ["---", "—"],
  ["--", "–"],
  ["``", "“"],
  ["''", "”"],
  ["!`", "¡"],
  ["?`", "¿"],
  ["~", "\u00a0"],
  ["&", "   "],
];

export type TokenKind = "char" | "macro" | "special" | "open" | "close" | "begin" | "end" | "math";

export interface Token {
  readonly kind: TokenKind;
  /** The character, the name of the macro or environment, the bracket, or the special's signs. */
  readonly text: string;
  /** White space before it. */
  readonly space: string;
  readonly start: number;
  readonly end: number;
}

/** A reading position in a text. */
export class LatexTokens {
  /** Where the next token begins, white space before it included; may be set back. */
  position = 0;
  private readonly latex: string;
  /** In characters and tokens. */
  private workLeft: number;

  constructor(latex: string) {
    this.latex = latex;
    this.workLeft = 1000 + workPerCharacter * latex.length;
  }

  /** Whether white space comes next. */
  get atSpace(): boolean {
    return isSpace(this.latex.charAt(this.position));
  }

  /** The next token, or undefined at the end. `[` and `]` are brackets only inside an optional argument. */
  next(brackets: boolean, environments = true): Token | undefined {
    const { latex } = this;
    const start = this.spaceEnd(this.position);
    this.workLeft -= 1 + start - this.position;
    if (this.workLeft < 0) throw new UnreadableLatex("too much work");
    const space = latex.slice(this.position, start);
    if (space.endsWith("\n\n")) return this.token("char", "\n\n", space.slice(0, -2), start - 2);
    if (start >= latex.length || (latex[start] === "\\" && start + 1 === latex.length)) return undefined;
    const character = String.fromCodePoint(latex.codePointAt(start) ?? 0);
    if (character === "\\") return this.command(space, start, environments);
    if (character === "{" || (brackets && character === "[")) return this.token("open", character, space, start);
    if (character === "}" || (brackets && character === "]")) return this.token("close", character, space, start);
    const special = specials.find(([signs]) => latex.startsWith(signs, start));
    if (special !== undefined) return this.token("special", special[0], space, start);
    return this.token("char", character, space, start);
  }

  /** A token that begins with a backslash. A name of letters takes the white space after it along. */
  private command(space: string, start: number, environments: boolean): Token {
    const name = matchAt(/\p{L}+|[^]/uy, this.latex, start + 1)?.[0] ?? "";
    const end = start + 1 + name.length;
    if (/^[()[\]]$/.test(name)) return this.token("math", `\\${name}`, space, start);
    if (environments && (name === "begin" || name === "end")) {
      const environment = matchAt(/\s*\{([\p{L}\p{N}_* .-]+)\}/uy, this.latex, end);
      if (environment === null) return this.token("char", `\\${name}`, space, start);
      return this.token(name, environment[1] ?? "", space, start, end + environment[0].length);
    }
    const letters = /^\p{L}/u.test(name);
    let last = letters ? this.spaceEnd(end) : end;
    if (letters && this.latex.slice(end, last).endsWith("\n\n")) last -= 2;
    return this.token("macro", name, space, start, last);
  }

  private token(kind: TokenKind, text: string, space: string, start: number, end = start + text.length): Token {
    this.position = end;
    this.workLeft -= end - start;
    return { kind, text, space, start, end };
  }

  /** End of the white space at `from`; a paragraph break (two newlines in a row) ends the run. */
  private spaceEnd(from: number): number {
    let end = from;
    while (end < this.latex.length && isSpace(this.latex.charAt(end))) {
      end += 1;
      if (end - from >= 2 && this.latex.startsWith("\n\n", end - 2)) break;
    }
    return end;
  }

  /** White space before the end, passed over; none before a lone backslash. */
  finalSpace(): string {
    const rest = this.latex.slice(this.position);
    this.position = this.latex.length;
    return rest.endsWith("\\") ? "" : rest;
  }
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/** What stands for a special's signs. */
export function specialText(signs: string): string {
  return specials.find(([key]) => key === signs)?.[1] ?? signs;
}
