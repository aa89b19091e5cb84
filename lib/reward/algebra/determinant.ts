import { type Expression, number, operation, UnreadableFormula } from "./expression.ts";

/** Rows of a determinant that are written out; each more multiplies the terms. */
const maxRows = 4;

/** The determinant by expansion along the first row. @throws {UnreadableFormula} unless it is a small square */
export function determinant(rows: readonly (readonly Expression[])[]): Expression {
  const [first = [], ...below] = rows;
  if (rows.length === 0 || rows.length > maxRows || rows.some((row) => row.length !== rows.length))
    throw new UnreadableFormula(`a determinant other than 1 x 1 to ${maxRows} x ${maxRows}`);
  if (below.length === 0) return first[0] ?? number("0");
  const terms = first.map((entry, column) => {
    const minor = below.map((row) => row.filter((_, index) => index !== column));
    const product = operation("multiply", [entry, determinant(minor)]);
    return column % 2 === 0 ? product : operation("negate", [product]);
  });
  return operation("add", terms);
}
