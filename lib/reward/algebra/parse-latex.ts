// Reads a mathematical answer: arithmetic as evaluate.ts knows it, and around it sets, intervals, tuples, relations,
// matrices and lists. A tolerant grammar: it reads what models write, `\frac12`, `2^10` and `5 cm` among it.
import { ConstructParser } from "./construct-parser.ts";
import { type Expression, type Head, isOperation, number, operation, symbol, UnreadableFormula } from "./expression.ts";
import { tokenizeLatex } from "./latex-tokens.ts";
import { respell } from "./respell.ts";
import { openings } from "./token-cursor.ts";

const setOperators: Readonly<Record<string, Head>> = { "∪": "union", "∩": "intersection", "∖": "difference" };

/**
 * The expression that a whole text is.
 * @throws {UnreadableFormula} for anything else
 */
export function parseLatex(latex: string): Expression {
  return new LatexParser(tokenizeLatex(respell(latex))).whole();
}

class LatexParser extends ConstructParser {
  whole(): Expression {
    const result = this.list();
    if (this.peek() !== undefined) throw this.unexpected();
    return result;
  }

  /** Values apart by commas; by semicolons, the commas inside group first. */
  protected override list(end?: string): Expression {
    const groups: Expression[] = [];
    let sawSemicolon = false;
    for (;;) {
      groups.push(this.commaList(end));
      if (!this.takeSign(";")) break;
      sawSemicolon = true;
      if (this.isEnd(end)) break;
    }
    const [only] = groups;
    return !sawSemicolon && only !== undefined ? only : operation("list", groups, ";");
  }

  protected override commaList(end?: string): Expression {
    const items: Expression[] = [];
    do {
      while (this.takeSign(","));
      if (this.isEnd(end) || this.isSign(";")) break;
      items.push(this.relation());
    } while (this.takeSign(",") || (end === undefined && this.startsFactor()));
    const [only] = items;
    if (only === undefined) throw this.unexpected();
    return items.length === 1 ? only : operation("list", items, ",");
  }

  private relation(): Expression {
    const args: Expression[] = [];
    const between: string[] = [];
    // `=5` and `x=`: what is not there says nothing.
    if (this.isRelation()) this.position += 1;
    for (;;) {
      args.push(this.setExpression());
      const sign = this.peek();
      if (!this.isRelation() || sign === undefined) break;
      this.position += 1;
      between.push(sign.text);
    }
    const [only] = args;
    return args.length === 1 && only !== undefined ? only : operation("relation", args, between.join(" "));
  }

  private setExpression(): Expression {
    let left = this.ratio();
    for (;;) {
      const head = setOperators[this.signText()];
      if (head === undefined) return left;
      this.position += 1;
      left = this.binary(head, left, this.ratio());
    }
  }

  private ratio(): Expression {
    const parts = [this.sum()];
    while (this.takeSign(":")) parts.push(this.sum());
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : operation("ratio", parts);
  }

  private sum(): Expression {
    let left = this.signedTerm();
    for (;;) {
      if (this.takeSign("+")) left = this.binary("add", left, this.signedTerm());
      else if (this.takeSign("-")) left = this.binary("add", left, this.unary("negate", this.signedTerm()));
      else if (this.takeSign("±")) left = this.binary("plusminus", left, this.term());
      else if (this.takeSign("∓")) left = this.binary("minusplus", left, this.term());
      else return left;
    }
  }

  private signedTerm(): Expression {
    if (this.takeSign("-"))
      return this.unary(
        "negate",
        this.nested(() => this.signedTerm()),
      );
    if (this.takeSign("+")) return this.nested(() => this.signedTerm());
    if (this.takeSign("±")) return operation("plusminus", [number("0"), this.term()]);
    if (this.takeSign("∓")) return operation("minusplus", [number("0"), this.term()]);
    return this.term();
  }

  protected override term(): Expression {
    let left = this.factor();
    for (;;) {
      if (this.takeSign("*")) left = this.binary("multiply", left, this.signedFactor());
      else if (this.takeSign("/"))
        left = this.isWords() ? this.skipUnits(left) : this.binary("divide", left, this.signedFactor());
      else if (this.takeSign("mod")) left = this.binary("modulo", left, this.signedFactor());
      else if (this.isWords()) left = this.skipUnits(left);
      else if (this.startsFactor() && !this.startsNewValue(left)) left = this.implied(left, this.factor());
      else return left;
    }
  }

  private implied(left: Expression, right: Expression): Expression {
    if (isOperation(left, "words") || isOperation(right, "words"))
      throw new UnreadableFormula("words beside a formula");
    return this.binary("multiply", left, right);
  }

  private signedFactor(): Expression {
    if (this.takeSign("-")) return operation("negate", [this.nested(() => this.signedFactor())]);
    if (this.takeSign("+")) return this.nested(() => this.signedFactor());
    return this.factor();
  }

  /** `cm^2`, `km/h`: a unit or a remark behind a value changes nothing. */
  private skipUnits(value: Expression): Expression {
    while (this.isWords()) {
      this.position += 1;
      if (this.takeSign("^")) this.argument();
      if (this.isSign("/") && this.peek(1)?.kind === "words") this.position += 1;
      else if (this.isSign("/") && this.peek(1)?.kind === "symbol") this.position += 2;
      while (this.isSign("%") || this.isSign("°")) this.position += 1;
    }
    return value;
  }

  protected override factor(): Expression {
    return this.nested(() => this.postfix(this.primary()));
  }

  protected override postfix(base: Expression): Expression {
    let value = base;
    for (;;) {
      if (this.isSign("^")) value = this.superscript(value);
      else if (this.takeSign("_")) value = subscripted(value, this.argumentText());
      else if (this.takeSign("!")) value = this.unary("factorial", value);
      else if (this.takeSign("%")) value = isOperation(value, "sequence") ? value : this.unary("percent", value);
      else if (this.isSign("°") && (base.kind === "number" || this.calls > 0)) value = this.degrees(value);
      else if (this.takeSign("'")) value = subscripted(value, "'");
      else return value;
    }
  }

  /** `^2`, `^{n+1}`, `^-1`; `^\circ` is the degree. */
  private superscript(base: Expression): Expression {
    const start = this.position;
    this.position += 1;
    if (this.takeSign("{")) {
      if (this.isSign("°")) {
        const value = this.degrees(base);
        this.expect("}");
        return value;
      }
      if (this.takeSign("'")) {
        while (this.takeSign("'"));
        this.expect("}");
        return subscripted(base, "'");
      }
      this.position = start + 1;
    }
    if (this.isSign("°")) return this.degrees(base);
    if (this.takeSign("-")) return operation("power", [base, operation("negate", [this.argument()])]);
    return operation("power", [base, this.exponent()]);
  }

  /** Right-associative: `2^3^2` is `2^(3^2)`. */
  private exponent(): Expression {
    const value = this.argument();
    return this.isSign("^") ? this.nested(() => this.superscript(value)) : value;
  }

  protected override primary(): Expression {
    const token = this.next();
    if (token.kind === "number") return this.mixed(token.text);
    if (token.kind === "symbol") return token.text === "\\emptyset" ? operation("set", []) : symbol(token.text);
    if (token.kind === "function") return this.call(token.text);
    if (token.kind === "command") return this.command(token.text);
    if (token.kind === "words") return this.words(token.text);
    if (token.text === "|") return this.absolute();
    if (openings.has(token.text)) return this.bracketed(token.text);
    this.position -= 1;
    throw this.unexpected();
  }

  /** Brackets behind brackets and numbers behind numbers are values apart. */
  private startsNewValue(left: Expression): boolean {
    if (isOperation(left, "sequence") || isOperation(left, "set")) return true;
    return this.peek()?.kind === "number" && this.peek(-1)?.kind === "number";
  }
}

function subscripted(value: Expression, subscript: string): Expression {
  if (value.kind === "symbol") return symbol(subscript === "'" ? `${value.name}'` : `${value.name}_${subscript}`);
  const base = Number(subscript);
  if (value.kind !== "number" || !Number.isInteger(base) || base < 2 || base > 36)
    throw new UnreadableFormula("a subscript of no symbol");
  const digits = Number.parseInt(value.text, base);
  if (digits.toString(base) !== value.text) throw new UnreadableFormula(`no number of base ${subscript}`);
  return number(String(digits));
}
