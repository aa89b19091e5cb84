// LaTeX to plain text as the published grader reads it: a tolerant single pass that never fails on bad input but
// stops at limits. The grader removes `$` and `%` first, so dollar math and comments do not occur here.
import { environmentSpec, macroSpec, macroText, type MacroArguments, UnreadableLatex } from "./latex-macros.ts";
import { LatexTokens, specialText, type Token } from "./latex-tokens.ts";
import { strip } from "./python-text.ts";

// Python's own recursion limit stops pylatexenc near this depth.
const maxDepth = 200;

const matrixEnvironments = new Set(["array", "pmatrix", "bmatrix", "smallmatrix", "psmallmatrix", "bsmallmatrix"]);
const equationEnvironment = /^(?:(?:equation|eqnarray|align|multline|gather|dmath)\*?)$/;

/** Where the text of a run of LaTeX goes; a matrix tells its cells apart. */
interface Sink {
  add(text: string): void;
  cell?(): void;
  row?(): void;
}

/** What ends a run: a bracket, an environment's name or a math delimiter. */
interface Stop {
  readonly kind: "close" | "end" | "math" | "text";
  readonly text: string;
}

/** No argument could be read: the text ended. */
class TextEnded extends Error {}

/**
 * Plain text of LaTeX, with Unicode for symbols, `a/b` for `\frac{a}{b}`, `√(a)` for `\sqrt{a}`, `[ 1 2; 3 4 ]` for
 * matrices, sub- and superscripts as they stand, unknown macros dropped; undefined when it cannot be read (`\sqrt` or
 * an empty matrix, nesting over 200, or too much work).
 * Differs from pylatexenc's LatexNodes2Text, whose results it gives: matrix cells are not padded to equal widths,
 * macros that lay out a document (\section, \item, \cite) have no text.
 */
export function latexToText(latex: string): string | undefined {
  try {
    return new LatexReader(latex).read();
  } catch (error) {
    if (error instanceof UnreadableLatex) return undefined;
    throw error;
  }
}

class LatexReader {
  private readonly tokens: LatexTokens;
  private depth = 0;
  private equations = 0;

  constructor(latex: string) {
    this.tokens = new LatexTokens(latex);
  }

  read(): string {
    return this.textUntil({ kind: "text", text: "" });
  }

  private textUntil(stop: Stop): string {
    const parts: string[] = [];
    this.run(stop, { add: (text) => parts.push(text) });
    return parts.join("");
  }

  /** Reads up to and with `stop`, or to the end. Whatever closes something else is passed over. */
  private run(stop: Stop, sink: Sink): void {
    this.depth += 1;
    if (this.depth > maxDepth) throw new UnreadableLatex(`nested deeper than ${maxDepth}`);
    let characters = "";
    for (;;) {
      const token = this.tokens.next(stop.text === "]");
      if (token?.kind === "char") {
        characters += token.space + token.text;
        continue;
      }
      characters += token === undefined ? this.tokens.finalSpace() : token.space;
      if (characters !== "") sink.add(this.equations > 0 && strip(characters) === "" ? "" : characters);
      characters = "";
      if (token === undefined || (token.kind === stop.kind && token.text === stop.text)) break;
      this.construct(token, sink);
    }
    this.depth -= 1;
  }

  /** Text of one construct; its first token is already read. */
  private construct(token: Token, sink: Sink): void {
    if (token.kind === "macro") this.macro(token.text, sink);
    else if (token.kind === "special") this.special(token.text, sink);
    else if (token.kind === "open") sink.add(this.group(token.text));
    else if (token.kind === "begin") sink.add(this.environment(token.text));
    else if (token.kind === "math" && token.text === "\\(") sink.add(this.math("\\)"));
    else if (token.kind === "math" && token.text === "\\[") sink.add(indented(this.math("\\]")));
  }

  private macro(name: string, sink: Sink): void {
    const given = this.macroArguments(macroSpec(name));
    if (name === "\\" && sink.row !== undefined) sink.row();
    else sink.add(macroText(name, given));
  }

  private special(signs: string, sink: Sink): void {
    if (signs === "&" && sink.cell !== undefined) sink.cell();
    else sink.add(specialText(signs));
  }

  private group(opening: string): string {
    return this.textUntil({ kind: "close", text: opening === "[" ? "]" : "}" });
  }

  private math(closing: string): string {
    this.equations += 1;
    const text = strip(this.textUntil({ kind: "math", text: closing }));
    this.equations -= 1;
    return text;
  }

  private environment(name: string): string {
    this.macroArguments(environmentSpec(name));
    const stop: Stop = { kind: "end", text: name };
    if (matrixEnvironments.has(name)) return this.matrix(stop);
    if (!equationEnvironment.test(name)) return this.textUntil(stop);
    this.equations += 1;
    const text = strip(this.textUntil(stop));
    this.equations -= 1;
    return indented(text);
  }

  private matrix(stop: Stop): string {
    const rows: string[][] = [];
    let row: string[] = [];
    let cell: string[] = [];
    const endCell = () => {
      if (cell.length > 0) row.push(strip(cell.join("")));
      cell = [];
    };
    const endRow = () => {
      endCell();
      rows.push(row);
      row = [];
    };
    this.run(stop, { add: (text) => cell.push(text), cell: endCell, row: endRow });
    endRow();
    if (rows.every((cells) => cells.length === 0)) throw new UnreadableLatex("a matrix without cells");
    return `[ ${rows.map((cells) => cells.join(" ")).join("; ")} ]`;
  }

  /** Arguments by their pattern; none at all when the text ends before the last required one. */
  private macroArguments(spec: string): MacroArguments {
    const start = this.tokens.position;
    try {
      return Array.from(spec, (kind) => (kind === "{" ? this.argument() : this.optional(kind, spec)));
    } catch (error) {
      if (!(error instanceof TextEnded)) throw error;
      this.tokens.position = start;
      return undefined;
    }
  }

  /** A group, or one token: a macro in this place takes no arguments of its own. */
  private argument(): string {
    const token = this.tokens.next(false, false);
    if (token === undefined) throw new TextEnded();
    if (token.kind === "open") return this.group(token.text);
    if (token.kind === "special") return specialText(token.text);
    if (token.kind === "char") return token.text;
    if (token.kind === "close" || (token.kind === "macro" && token.text === "end")) {
      this.tokens.position = token.start;
      return "";
    }
    return macroText(token.text, undefined);
  }

  private optional(kind: string, spec: string): string {
    const before = this.tokens.position;
    // After `\\` a bracket that stands apart is text, as in AMS environments.
    if (kind === "[" && spec === "*[" && this.tokens.atSpace) return "";
    const token = this.tokens.next(kind === "[", false);
    if (kind === "*" && token === undefined) throw new TextEnded();
    if (kind === "*" && token?.kind === "char" && token.text === "*") return "*";
    if (kind === "[" && token?.kind === "open" && token.text === "[") return this.group("[");
    this.tokens.position = before;
    return "";
  }
}

function indented(block: string): string {
  return `\n    ${block.replaceAll("\n", "\n    ")}\n`;
}
