// What kind of answer an expression is, and its parts.
import {
  type Expression,
  functionNamed,
  isOperation,
  number,
  operation,
  type Operation,
} from "../algebra/expression.ts";

/** Values of a set, of a list, of `a ± b`; undefined of anything else. */
export function membersOf(expression: Expression): readonly Expression[] | undefined {
  if (expression.kind !== "operation") return undefined;
  if (expression.head === "set" || expression.head === "list")
    return expression.args.flatMap((arg) => signsOf(arg) ?? [arg]);
  return signsOf(expression);
}

/** Both readings of an expression with `±`; undefined of one without. */
function signsOf(expression: Expression): readonly Expression[] | undefined {
  if (!holdsSigns(expression)) return undefined;
  return [withSigns(expression, true), withSigns(expression, false)];
}

function holdsSigns(expression: Expression): boolean {
  if (expression.kind !== "operation" || expression.head === "set" || expression.head === "list") return false;
  return expression.head === "plusminus" || expression.head === "minusplus" || expression.args.some(holdsSigns);
}

function withSigns(expression: Expression, upper: boolean): Expression {
  if (expression.kind !== "operation") return expression;
  const args = expression.args.map((arg) => withSigns(arg, upper));
  if (expression.head !== "plusminus" && expression.head !== "minusplus")
    return operation(expression.head, args, expression.detail);
  const [left, right] = args;
  if (left === undefined || right === undefined) return expression;
  return operation("add", [left, (expression.head === "plusminus") === upper ? right : operation("negate", [right])]);
}

const naming: ReadonlySet<string> = new Set(["multiply", "divide", "sequence", "list", "ratio", "words", "relation"]);

/** Whether it only names what an equation gives: `x`, `f(x)`, `\sin A`, `(p, q)`, `V_1 : V_2`, `\frac{AB}{CD}`, `Area`. */
export function isName(expression: Expression): boolean {
  if (expression.kind === "symbol") return true;
  if (expression.kind === "number") return false;
  const isNaming = naming.has(expression.head) || functionNamed(expression.head) !== undefined;
  return isNaming && expression.args.every(isName);
}

/** Signs between the parts of a relation. */
export const signsBetween = (relation: Operation): readonly string[] => relation.detail.split(" ");

/** Entries of a matrix, of sums and products of matrices; undefined of anything else. */
export function entriesOf(expression: Expression): readonly (readonly Expression[])[] | undefined {
  if (expression.kind !== "operation") return undefined;
  if (expression.head === "matrix") return expression.args.map((row) => (isOperation(row, "row") ? row.args : [row]));
  const [left, right] = expression.args;
  if (left === undefined || right === undefined) return undefined;
  const [a, b] = [entriesOf(left), entriesOf(right)];
  if (expression.head === "add" && a && b) return added(a, b);
  if (expression.head === "multiply" && b) return a ? multiplied(a, b) : scaled(left, b);
  return undefined;
}

type Entries = readonly (readonly Expression[])[];
const zero = number("0");

function added(a: Entries, b: Entries): Entries | undefined {
  if (a.length !== b.length || a[0]?.length !== b[0]?.length) return undefined;
  return a.map((row, y) => row.map((entry, x) => operation("add", [entry, b[y]?.[x] ?? zero])));
}

function multiplied(a: Entries, b: Entries): Entries | undefined {
  if (a[0]?.length !== b.length) return undefined;
  return a.map((row) =>
    (b[0] ?? []).map((_, x) =>
      row
        .map((entry, k): Expression => operation("multiply", [entry, b[k]?.[x] ?? zero]))
        .reduce((sum, product) => operation("add", [sum, product])),
    ),
  );
}

const scaled = (factor: Expression, entries: Entries): Entries =>
  entries.map((row) => row.map((entry) => operation("multiply", [factor, entry])));
