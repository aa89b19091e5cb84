// Groups: arguments of commands, brackets of every kind, bars.
import { type Expression, isOperation, number, operation, UnreadableFormula } from "./expression.ts";
import type { LatexToken } from "./latex-tokens.ts";
import { TokenCursor } from "./token-cursor.ts";

const closing: Readonly<Record<string, string>> = { "(": ")", "[": "]", "\\{": "\\}", "⌊": "⌋", "⌈": "⌉" };

export abstract class GroupParser extends TokenCursor {
  /** Values apart by commas and semicolons, up to a sign that is not read. */
  protected abstract list(end?: string): Expression;

  /** A number, a symbol, a group or a command with its arguments. */
  protected abstract primary(): Expression;

  /** A group, or one token: a digit of `\frac12`, a letter, a command. A plain number is whole after `^`. */
  protected argument(): Expression {
    return this.nested(() => {
      if (this.takeSign("{")) return this.rest("}");
      const token = this.next();
      if (token.kind === "number") return number(token.text);
      this.position -= 1;
      return this.primary();
    });
  }

  /** As argument, but of a number only its first digit: `\frac12`, `\sqrt25`... */
  protected digitOrGroup(digits: LatexToken[]): Expression {
    const token = digits.shift();
    if (token !== undefined) return number(token.text);
    if (this.peek()?.kind !== "number") return this.argument();
    const whole = this.next().text;
    digits.push(...Array.from(whole.slice(1), (text) => ({ kind: "number" as const, text })));
    return number(whole.charAt(0));
  }

  /** An argument as its tokens, for names such as `x_{12}`. */
  protected argumentText(): string {
    if (!this.takeSign("{")) return this.next().text;
    let depth = 1;
    let text = "";
    for (;;) {
      const token = this.next();
      if (token.text === "{") depth += 1;
      if (token.text === "}") depth -= 1;
      if (depth === 0) return text;
      text += token.text;
    }
  }

  /** What stands up to a closing bracket, which is read too. */
  protected rest(end: string): Expression {
    const inner = this.group(end);
    this.expect(end);
    return inner;
  }

  /** What stands up to a closing bracket; bars outside it are not closed by bars in it. */
  protected group(end: string): Expression {
    const bars = this.bars;
    this.bars = 0;
    const inner = this.nested(() => this.list(end));
    this.bars = bars;
    return inner;
  }

  protected itemsUntil(end: string): readonly Expression[] {
    const inner = this.rest(end);
    return isOperation(inner, "list") ? inner.args : [inner];
  }

  protected absolute(): Expression {
    this.bars += 1;
    const inner = this.nested(() => this.list("|"));
    this.bars -= 1;
    this.expect("|");
    return operation("abs", [inner]);
  }

  /** Passes `x |` in `{x | x > 2}`, which is what its condition says. */
  private startsCondition(): boolean {
    const [name, bar] = [this.peek(), this.peek(1)];
    const isCondition = name?.kind === "symbol" && bar?.kind === "sign" && bar.text === "|";
    if (isCondition) this.position += 2;
    return isCondition;
  }

  /** A group in braces or brackets; a closing bracket of another kind makes a half-open interval. */
  protected bracketed(open: string): Expression {
    if (open === "{") return this.braces();
    if (this.takeSign(closing[open] ?? ""))
      return operation(open === "\\{" ? "set" : "sequence", [], open + (closing[open] ?? ""));
    if (open === "\\{" && this.startsCondition()) return this.rest("\\}");
    const inner = this.group(closing[open] ?? "");
    const close = this.next();
    if (close.kind !== "sign") throw this.unexpected();
    return enclosed(open, inner, close.text);
  }

  /** `{x}` and `{1,2}` only group, but a set of one tuple is meant by `{(1,2)}`; `{n \choose k}` counts. */
  protected braces(): Expression {
    if (this.startsCondition()) return this.rest("}");
    const inner = this.group("}");
    if (this.peek()?.kind === "command" && this.peek()?.text === "choose") {
      this.position += 1;
      return operation("binomial", [inner, this.rest("}")]);
    }
    this.expect("}");
    return isOperation(inner, "sequence") && inner.args.length > 1 ? operation("set", [inner]) : inner;
  }
}

function enclosed(open: string, inner: Expression, close: string): Expression {
  const items = isOperation(inner, "list") ? inner.args : [inner];
  if (open === "\\{" && close === "\\}") return operation("set", items);
  if (open === "⌊") return operation("floor", [inner]);
  if (open === "⌈") return operation("ceil", [inner]);
  if (close !== ")" && close !== "]") throw new UnreadableFormula(`${close} closes ${open}`);
  if (items.length > 1) return operation("sequence", items, open + close);
  if (open === "(" && close === ")") return inner;
  if (open === "[" && close === "]") return operation("sequence", items, "[]");
  throw new UnreadableFormula(`${close} closes ${open}`);
}
