// Inequalities as the sets of numbers that solve them.
import {
  constantNames,
  isOperation,
  operation,
  type Operation,
  symbol,
  UnreadableFormula,
} from "../algebra/expression.ts";
import { signsBetween } from "./answer-values.ts";
import { areDisjoint } from "./real-sets.ts";

export interface Solution {
  readonly variable: string;
  /** An interval, or a union, an intersection, a difference of sets. */
  readonly set: Operation;
}

const infinity = symbol(constantNames.infinity);
const minusInfinity = operation("negate", [infinity]);

/** The numbers that `x > a`, `a < x ≤ b`, `x ≠ a` allow; undefined of another relation. */
export function solutionOf(relation: Operation): Solution | undefined {
  return relation.detail === "≠" ? allBut(relation) : between(relation);
}

/**
 * The numbers that all inequalities of a list allow, or, where no number does, those that one allows; undefined of
 * another list and of one with ends that are no numbers.
 */
export function solutionOfList({ args }: Operation): Operation | undefined {
  const solutions = args.map((arg) => (isOperation(arg, "relation") ? solutionOf(arg) : undefined));
  const variable = solutions[0]?.variable;
  const sets = solutions.flatMap((solution) => (solution?.variable === variable && solution ? [solution.set] : []));
  if (sets.length < args.length) return undefined;
  try {
    return sets.reduce(combined);
  } catch (error) {
    if (error instanceof UnreadableFormula) return undefined;
    throw error;
  }
}

function combined(a: Operation, b: Operation): Operation {
  return operation(areDisjoint(a, b) ? "union" : "intersection", [a, b]);
}

function allBut({ args: [variable, value] }: Operation): Solution | undefined {
  if (variable?.kind !== "symbol" || value === undefined) return undefined;
  const all = operation("sequence", [minusInfinity, infinity], "()");
  return { variable: variable.name, set: operation("difference", [all, operation("set", [value])]) };
}

function between(relation: Operation): Solution | undefined {
  const signs = signsBetween(relation);
  const rising = signs.every((sign) => sign === "<" || sign === "≤");
  if (!rising && !signs.every((sign) => sign === ">" || sign === "≥")) return undefined;
  const parts = rising ? [...relation.args] : [...relation.args].reverse();
  const closed = (rising ? [...signs] : [...signs].reverse()).map((sign) => sign === "≤" || sign === "≥");
  const at = parts.findIndex(({ kind }) => kind === "symbol");
  const variable = parts[at];
  if (variable?.kind !== "symbol" || parts.length > 3 || (parts.length === 3 && at !== 1)) return undefined;
  const [low, high] = [parts[at - 1] ?? minusInfinity, parts[at + 1] ?? infinity];
  const brackets = `${closed[at - 1] === true ? "[" : "("}${closed[at] === true ? "]" : ")"}`;
  return { variable: variable.name, set: operation("sequence", [low, high], brackets) };
}
