// What a formula is once it is read: numbers, symbols, and operations on them.

/** An operation; its meaning is in evaluate.ts (numbers) and answer-form.ts (sets, relations, matrices). */
export type Head =
  | ArithmeticHead
  | FunctionName
  // What an answer may be beside a number: several values, an interval, a claim.
  | "list"
  | "set"
  | "sequence"
  | "union"
  | "intersection"
  | "difference"
  | "plusminus"
  | "minusplus"
  | "relation"
  | "ratio"
  | "matrix"
  | "row"
  | "words";

export type ArithmeticHead =
  | "add"
  | "negate"
  | "multiply"
  | "divide"
  | "power"
  | "root"
  | "percent"
  | "degrees"
  | "factorial"
  | "binomial"
  | "modulo"
  | "sum"
  | "product";

const functionNames = [
  ...["sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh"],
  ...["exp", "ln", "log", "abs", "floor", "ceil", "max", "min", "gcd", "lcm"],
] as const;
export type FunctionName = (typeof functionNames)[number];

/** Symbols with a value; no letter of a formula is called so by itself. */
export const constantNames = { pi: "π", e: "ℯ", i: "ⅈ", infinity: "∞" } as const;

export interface NumberLeaf {
  readonly kind: "number";
  /** Digits with at most one point. */
  readonly text: string;
}

export interface SymbolLeaf {
  readonly kind: "symbol";
  readonly name: string;
}

export interface Operation {
  readonly kind: "operation";
  readonly head: Head;
  readonly args: readonly Expression[];
  /** Of a relation the signs between its arguments, of a sequence its brackets, of words the text. */
  readonly detail: string;
}

export type Expression = NumberLeaf | SymbolLeaf | Operation;

/** Text that is no formula of the kinds that are read here, or one nested too deep; an expression without a value. */
export class UnreadableFormula extends Error {
  override readonly name = "UnreadableFormula";
}

/** A value takes more operations than a grading may. */
export class TooMuchWork extends Error {
  override readonly name = "TooMuchWork";
}

export const number = (text: string): NumberLeaf => ({ kind: "number", text });
export const symbol = (name: string): SymbolLeaf => ({ kind: "symbol", name });

export function operation(head: Head, args: readonly Expression[], detail = ""): Operation {
  return { kind: "operation", head, args, detail };
}

export function isOperation(expression: Expression, head: Head): expression is Operation {
  return expression.kind === "operation" && expression.head === head;
}

/** The function of that name, arc- written short (asin) among them. */
export function functionNamed(name: string): FunctionName | undefined {
  const full = name.replace(/^a(?=(sin|cos|tan)$)/u, "arc");
  return functionNames.find((known) => known === full);
}

/** Names of the symbols in an expression. */
export function symbolsOf(expression: Expression, found = new Set<string>()): Set<string> {
  if (expression.kind === "symbol") found.add(expression.name);
  else if (expression.kind === "operation") for (const arg of expression.args) symbolsOf(arg, found);
  return found;
}

/** Whether a number with a decimal point stands in it. */
export function hasDecimal(expression: Expression): boolean {
  if (expression.kind === "number") return expression.text.includes(".");
  return expression.kind === "operation" && expression.args.some(hasDecimal);
}
