// A position among the tokens of a formula, and what limits its reading.
import { type Expression, type Head, operation, UnreadableFormula } from "./expression.ts";
import type { LatexToken } from "./latex-tokens.ts";

/** Nested constructs that are read; the parser is recursive. */
const maxDepth = 200;
/** Operations that are read: in a row they nest too, and what walks an expression is recursive. */
const maxOperations = 1000;
const relations = new Set(["=", "<", ">", "≤", "≥", "≠", "∈", "≈", "≅", "~", "→", "∥", "⊥"]);
/** Brackets that open. */
export const openings: ReadonlySet<string> = new Set(["(", "[", "{", "\\{", "⌊", "⌈"]);

export abstract class TokenCursor {
  protected position = 0;
  /** Bars that are open: the next `|` closes one. */
  protected bars = 0;
  /** Functions whose argument is being read: a degree counts there, and is only a unit elsewhere. */
  protected calls = 0;
  private readonly tokens: readonly LatexToken[];
  private depth = 0;
  private operations = 0;

  constructor(tokens: readonly LatexToken[]) {
    this.tokens = tokens;
  }

  /** The token `ahead` of the next one. */
  protected peek(ahead = 0): LatexToken | undefined {
    return this.tokens[this.position + ahead];
  }

  protected binary(head: Head, left: Expression, right: Expression): Expression {
    this.count();
    return operation(head, [left, right]);
  }

  protected unary(head: Head, value: Expression): Expression {
    this.count();
    return operation(head, [value]);
  }

  protected count(): void {
    this.operations += 1;
    if (this.operations > maxOperations) throw new UnreadableFormula(`more than ${maxOperations} operations`);
  }

  protected nested<T>(read: () => T): T {
    this.depth += 1;
    if (this.depth > maxDepth) throw new UnreadableFormula(`more than ${maxDepth} nested constructs`);
    const result = read();
    this.depth -= 1;
    return result;
  }

  protected startsFactor(): boolean {
    const token = this.peek();
    if (token === undefined) return false;
    if (token.kind === "sign") return openings.has(token.text) || (token.text === "|" && this.bars === 0);
    return token.kind !== "command" || (token.text !== "end" && token.text !== "choose");
  }

  protected isEnd(end: string | undefined): boolean {
    const token = this.peek();
    return (
      token === undefined || (token.kind === "sign" && (token.text === end || token.text === "}" || token.text === ")"))
    );
  }

  protected next(): LatexToken {
    const token = this.peek();
    if (token === undefined) throw new UnreadableFormula("the formula ends too early");
    this.position += 1;
    return token;
  }

  protected signText(): string {
    const token = this.peek();
    return token?.kind === "sign" ? token.text : "";
  }

  protected isSign(text: string): boolean {
    return this.signText() === text;
  }

  protected isRelation(): boolean {
    return relations.has(this.signText());
  }

  protected isWords(): boolean {
    return this.peek()?.kind === "words";
  }

  protected isFunction(): boolean {
    return this.peek()?.kind === "function";
  }

  protected isCommand(name: string): boolean {
    const token = this.peek();
    return token?.kind === "command" && token.text === name;
  }

  protected takeSign(text: string): boolean {
    if (!this.isSign(text)) return false;
    this.position += 1;
    return true;
  }

  protected expect(text: string): void {
    if (!this.takeSign(text)) throw this.unexpected();
  }

  protected unexpected(): UnreadableFormula {
    return new UnreadableFormula(`${this.peek()?.text ?? "the end"} is out of place`);
  }
}
