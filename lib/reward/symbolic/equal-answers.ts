// Whether two answers say the same: values by identity.ts, around them sets, tuples, intervals, relations, matrices.
import {
  type Expression,
  isOperation,
  number,
  operation,
  type Operation,
  UnreadableFormula,
} from "../algebra/expression.ts";
import { areEqual, areProportional } from "../algebra/identity.ts";
import { entriesOf, isName, membersOf, signsBetween } from "./answer-values.ts";
import { areEqualSets } from "./real-sets.ts";
import { solutionOf, solutionOfList } from "./solutions.ts";

/**
 * @param truth decides what an equation is: with the truth `y = 2x` the equation counts, with the truth `5` what
 * stands right of `x = 5`
 * @throws {UnreadableFormula} where there is nothing to compare them by
 */
export function areEqualAnswers(truth: Expression, given: Expression): boolean {
  const [a, b] = [plain(truth), plain(given)];
  if (isOperation(a, "relation") || isOperation(b, "relation")) return equalRelations(a, b);
  const [entriesA, entriesB] = [entriesOf(a), entriesOf(b)];
  if (entriesA || entriesB) return entriesA !== undefined && entriesB !== undefined && equalRows(entriesA, entriesB);
  if (isOperation(a, "ratio") || isOperation(b, "ratio")) return equalRatios(a, b);
  if (isOperation(a, "words") || isOperation(b, "words")) return equalWords(a, b);
  if (isSetOfNumbers(a) || isSetOfNumbers(b)) return areEqualSets(a, b);
  const [membersA, membersB] = [membersOf(a), membersOf(b)];
  if (membersA && membersB) return sameMembers(membersA, membersB);
  if (isOperation(a, "sequence") || isOperation(b, "sequence")) return equalSequences(a, b);
  if (membersA ?? membersB) return sameMembers(membersA ?? [a], membersB ?? [b]);
  return areEqual(a, b);
}

const areEqualHere = (a: Expression, b: Expression): boolean => {
  try {
    return areEqualAnswers(a, b);
  } catch (error) {
    if (error instanceof UnreadableFormula) return false;
    throw error;
  }
};

/**
 * Without what does not count: the approximation behind a value, `x ∈`, the brackets of `[5]`, the A of `A(1,2)`; a
 * list of inequalities as the set of its solutions.
 */
function plain(expression: Expression): Expression {
  if (expression.kind !== "operation") return expression;
  const { head, args } = expression;
  const [first] = args;
  if (first === undefined) return expression;
  if (head === "sequence" && args.length === 1) return plain(first);
  if (head === "multiply" && first.kind === "symbol" && args[1] && isOperation(args[1], "sequence")) return args[1];
  if (head === "list") return solutionOfList(expression) ?? expression;
  if (head !== "relation") return expression;
  const signs = signsBetween(expression);
  if (expression.detail === "∈") return plain(args.at(-1) ?? first);
  const approximate = signs.indexOf("≈", isName(first) ? 1 : 0);
  if (approximate === 0) return plain(first);
  const exact = approximate < 0 ? signs : signs.slice(0, approximate);
  return operation("relation", args.slice(0, exact.length + 1), exact.join(" ").replaceAll("≈", "="));
}

const isSetOfNumbers = (expression: Expression) =>
  ["union", "intersection", "difference"].some((head) => expression.kind === "operation" && expression.head === head);

function equalRelations(a: Expression, b: Expression): boolean {
  if (!isOperation(a, "relation")) return isOperation(b, "relation") && equalsSolved(a, b, true);
  if (!isOperation(b, "relation")) return equalsSolved(b, a, false);
  if (a.args.length === 2 && b.args.length === 2 && equalClaims(a, b)) return true;
  const [solutionA, solutionB] = [solutionOf(a), solutionOf(b)];
  if (solutionA && solutionB)
    return solutionA.variable === solutionB.variable && areEqualAnswers(solutionA.set, solutionB.set);
  const [first, last] = [ends(a), ends(b)];
  return (
    isEquation(a) &&
    isEquation(b) &&
    isName(first.left) &&
    areEqualHere(first.right, last.right) &&
    namesAgree(first.left, last.left, b)
  );
}

/** The same name, or one with a subscript more (`x_1`), or a given chain such as `2 + 1 + 2 = 3 + 2 = 5`. */
function namesAgree(truth: Expression, given: Expression, relation: Operation): boolean {
  if (relation.args.length > 2) return true;
  const [a, b] = [truth, given].map((side) => (side.kind === "symbol" ? side.name : undefined));
  if (a === undefined || b === undefined) return areEqualHere(truth, given);
  return a === b || a.startsWith(`${b}_`) || b.startsWith(`${a}_`);
}

const ends = ({ args }: Operation) => ({ left: args[0] ?? missing, right: args.at(-1) ?? missing });
const missing = operation("list", []);
const isEquation = (relation: Operation) => signsBetween(relation).every((sign) => sign === "=");

/** What an equation gives, or the solution of an inequality, against a value. */
function equalsSolved(value: Expression, relation: Operation, isGiven: boolean): boolean {
  const solution = solutionOf(relation);
  if (solution !== undefined) return areEqualAnswers(solution.set, value);
  const { left, right } = ends(relation);
  if (!isEquation(relation) || !(isGiven || isName(left) || relation.args.length > 2)) return false;
  return isGiven ? areEqualAnswers(value, right) : areEqualAnswers(right, value);
}

/** Two relations of one sign: the same after moving terms and multiplying. */
function equalClaims(a: Operation, b: Operation): boolean {
  const flipped: Readonly<Record<string, string>> = { "<": ">", ">": "<", "≤": "≥", "≥": "≤" };
  const differences = [a, b].map(({ args, detail }) => ({ sign: detail, difference: differenceOf(args) }));
  const [left, right] = differences;
  if (left === undefined || right === undefined) return false;
  const isOrder = left.sign in flipped;
  if (left.sign !== right.sign && flipped[left.sign] !== right.sign) return false;
  if (!isOrder && !["=", "≠"].includes(left.sign)) return equalPairs(a.args, b.args);
  const other = left.sign === right.sign ? right.difference : operation("negate", [right.difference]);
  try {
    return areProportional(left.difference, other, isOrder);
  } catch (error) {
    if (error instanceof UnreadableFormula) return equalPairs(a.args, b.args);
    throw error;
  }
}

function differenceOf([left, right]: readonly Expression[]): Expression {
  if (left === undefined || right === undefined) throw new UnreadableFormula("a relation without its sides");
  return operation("add", [left, operation("negate", [right])]);
}

const equalPairs = (a: readonly Expression[], b: readonly Expression[]): boolean =>
  a.length === b.length && a.every((item, index) => areEqualHere(item, b[index] ?? missing));

const equalRows = (a: readonly (readonly Expression[])[], b: readonly (readonly Expression[])[]): boolean =>
  a.length === b.length && a.every((row, index) => equalPairs(row, b[index] ?? []));

/** `1:2` is `2:4`, and one half. */
function equalRatios(a: Expression, b: Expression): boolean {
  const [left, right] = [a, b].map((side) => (isOperation(side, "ratio") ? side.args : [side]));
  const [firstA, ...restA] = left ?? [];
  const [firstB, ...restB] = right ?? [];
  if (firstA === undefined || firstB === undefined) return false;
  if (restA.length !== restB.length) {
    const [pair, single] = restA.length === 1 ? [a, b] : [b, a];
    return isOperation(pair, "ratio") && pair.args.length === 2 && areEqual(operation("divide", pair.args), single);
  }
  // With a zero, as in the clock's 12:00, any ratio would be proportional.
  if ([...restA, ...restB].some(isZero)) return equalPairs([firstA, ...restA], [firstB, ...restB]);
  return restA.every((part, index) =>
    areEqual(operation("multiply", [firstA, restB[index] ?? missing]), operation("multiply", [firstB, part])),
  );
}

const isZero = (part: Expression) => areEqual(part, number("0"));

function equalWords(a: Expression, b: Expression): boolean {
  if (!isOperation(a, "words") || !isOperation(b, "words")) return false;
  return a.detail.toLowerCase() === b.detail.toLowerCase() && equalPairs(a.args, b.args);
}

/** Tuples and intervals in order, brackets alike. A list may be a tuple that lost its brackets. */
function equalSequences(a: Expression, b: Expression): boolean {
  const [left, right] = [a, b].map((side) => (isTupleLike(side) ? side : undefined));
  if (left === undefined || right === undefined) return false;
  return brackets(left) === brackets(right) && equalPairs(left.args, right.args);
}

const brackets = (sequence: Operation) => (sequence.head === "list" ? "()" : sequence.detail);

const isTupleLike = (side: Expression): side is Operation => isOperation(side, "sequence") || isOperation(side, "list");

/** Each member of one is in the other, in any order and number. */
function sameMembers(a: readonly Expression[], b: readonly Expression[]): boolean {
  const holds = (set: readonly Expression[], member: Expression, isTruth: boolean) =>
    set.some((other) => (isTruth ? areEqualHere(other, member) : areEqualHere(member, other)));
  return a.every((member) => holds(b, member, false)) && b.every((member) => holds(a, member, true));
}
