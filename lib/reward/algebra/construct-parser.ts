// Constructs with a name: fractions, roots, functions, sums, matrices, words.
import { determinant } from "./determinant.ts";
import {
  constantNames,
  type Expression,
  functionNamed,
  type Head,
  isOperation,
  number,
  operation,
  symbol,
  UnreadableFormula,
} from "./expression.ts";
import { GroupParser } from "./group-parser.ts";
import type { LatexToken } from "./latex-tokens.ts";

const environments = /^(?:[pbvB]?matrix|smallmatrix|array|cases|aligned|align|gathered)$/u;

export abstract class ConstructParser extends GroupParser {
  /** A primary with its exponents, subscripts and marks. */
  protected abstract factor(): Expression;

  /** A product of factors. */
  protected abstract term(): Expression;

  /** Values apart by commas, up to a sign that is not read. */
  protected abstract commaList(end?: string): Expression;

  /** A value with the exponents, subscripts and marks behind it. */
  protected abstract postfix(base: Expression): Expression;

  protected words(text: string): Expression {
    if (this.takeSign("(")) {
      const args = this.rest(")");
      return operation("words", [args], text);
    }
    const parts = [text];
    while (this.isWords()) parts.push(this.next().text);
    return operation("words", [], parts.join(" "));
  }

  protected command(name: string): Expression {
    if (name === "frac") return this.fraction();
    if (name === "sqrt") return this.root();
    if (name === "binom") return this.pair("binomial");
    if (name === "sum" || name === "prod") return this.series(name === "sum" ? "sum" : "product");
    if (name === "begin") return this.environment();
    if (name === "boxed" || name === "fbox") return this.argument();
    // An accent names another symbol than the bare letter.
    if (name !== "end" && name !== "choose") return symbol(`\\${name}{${this.argumentText()}}`);
    throw new UnreadableFormula(`\\${name} is out of place`);
  }

  protected fraction(): Expression {
    const pending: LatexToken[] = [];
    const top = this.digitOrGroup(pending);
    const bottom = this.digitOrGroup(pending);
    const value = operation("divide", [top, bottom]);
    return pending.length === 0 ? value : operation("multiply", [value, number(digitsOf(pending))]);
  }

  protected pair(head: Head): Expression {
    const pending: LatexToken[] = [];
    return operation(head, [this.digitOrGroup(pending), this.digitOrGroup(pending)]);
  }

  protected root(): Expression {
    const index = this.takeSign("[") ? this.rest("]") : number("2");
    if (this.isSign("(")) return operation("root", [this.primary(), index]);
    return operation("root", [this.argument(), index]);
  }

  protected series(head: "sum" | "product"): Expression {
    this.expect("_");
    const from = this.argument();
    this.expect("^");
    const to = this.argument();
    if (!isOperation(from, "relation") || from.detail !== "=") throw new UnreadableFormula("a sum without its index");
    const [index, first] = from.args;
    if (index === undefined || first === undefined) throw new UnreadableFormula("a sum without its index");
    // A sum's index is a letter even where that is a constant elsewhere.
    return operation(head, [this.term(), index, first, to]);
  }

  /** `\sin x`, `\sin^2 x`, `\log_2 8`, `\max(1,2)`; without brackets, the factors up to the next sign or function. */
  protected call(name: string): Expression {
    let exponent: Expression | undefined;
    let base: Expression | undefined;
    for (;;) {
      if (this.isSign("^") && exponent === undefined) {
        this.position += 1;
        exponent = this.takeSign("-") ? operation("negate", [this.argument()]) : this.argument();
      } else if (this.takeSign("_")) base = this.argument();
      else break;
    }
    this.calls += 1;
    const args = this.callArguments();
    this.calls -= 1;
    const head = functionNamed(exponent !== undefined && isMinusOne(exponent) ? `arc${name}` : name);
    if (head === undefined) throw new UnreadableFormula(`${name} is no function`);
    const value = operation(head, base === undefined ? args : [...args, base]);
    return exponent === undefined || isMinusOne(exponent) ? value : operation("power", [value, exponent]);
  }

  protected callArguments(): readonly Expression[] {
    if (this.takeSign("(")) return this.itemsUntil(")");
    if (this.isSign("{")) {
      this.position += 1;
      return this.itemsUntil("}");
    }
    let argument = this.takeSign("-") ? operation("negate", [this.factor()]) : this.factor();
    while (this.startsFactor() && !this.isFunction() && !this.isSign("("))
      argument = operation("multiply", [argument, this.factor()]);
    return [argument];
  }

  /** `7\frac{3}{4}` is a mixed number, `7\frac{x}{4}` a product. */
  protected mixed(text: string): Expression {
    if (!this.isCommand("frac") || text.includes(".")) return number(text);
    this.position += 1;
    const fraction = this.fraction();
    const isMixed = isOperation(fraction, "divide") && fraction.args.every(({ kind }) => kind === "number");
    return isMixed && !this.isSign("^")
      ? operation("add", [number(text), fraction])
      : operation("multiply", [number(text), this.postfix(fraction)]);
  }

  protected environment(): Expression {
    this.expect("{");
    const name = this.environmentName();
    if (!environments.test(name)) throw new UnreadableFormula(`the environment ${name} is not read`);
    if (name === "array" && this.takeSign("{")) while (!this.takeSign("}")) this.position += 1;
    const rows: Expression[] = [];
    let cells: Expression[] = [];
    for (;;) {
      if (this.isCommand("end")) break;
      if (this.takeSign("&")) continue;
      if (this.takeSign("\\\\")) {
        if (cells.length > 0) rows.push(operation("row", cells));
        cells = [];
        continue;
      }
      cells.push(this.nested(() => this.commaList("&")));
    }
    if (cells.length > 0) rows.push(operation("row", cells));
    this.position += 1;
    this.expect("{");
    this.environmentName();
    return ofRows(name, rows);
  }

  protected environmentName(): string {
    let name = "";
    while (!this.takeSign("}")) name += this.next().text;
    return name.replaceAll(constantNames.e, "e").replaceAll(constantNames.i, "i");
  }

  /** Degrees measure, as units do, but for the argument of a function. Measured values have no percents. */
  protected degrees(value: Expression): Expression {
    while (this.isSign("°") || this.isSign("%") || this.isWords()) this.position += 1;
    return this.calls > 0 ? operation("degrees", [value]) : value;
  }
}

const digitsOf = (tokens: readonly LatexToken[]) => tokens.map(({ text }) => text).join("");
const isMinusOne = (value: Expression) =>
  isOperation(value, "negate") && value.args[0]?.kind === "number" && value.args[0].text === "1";

/** A matrix, or its determinant between bars. Lines of cases and of aligned equations are values apart. */
function ofRows(name: string, rows: readonly Expression[]): Expression {
  if (name === "vmatrix") return determinant(rows.map((row) => (isOperation(row, "row") ? row.args : [row])));
  if (name.endsWith("matrix") || name === "array") return operation("matrix", rows);
  const items = rows.map((row) => (isOperation(row, "row") && row.args.length === 1 ? (row.args[0] ?? row) : row));
  const [only] = items;
  return items.length === 1 && only !== undefined ? only : operation("list", items, ",");
}
