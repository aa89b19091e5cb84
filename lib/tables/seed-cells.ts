// How results over seeds are written in every table.
import { halfWidth95, mean } from "./statistics.ts";
import { type Cell, number } from "./table.ts";

export const seedNote = "±: half the 95 % t interval over seeds.";

/** Mean over seeds with the half-width of its interval; absent for none. */
export function seedCell(values: readonly number[], digits: number): Cell {
  const halfWidth = halfWidth95(values);
  return number(values.length === 0 ? undefined : mean(values), digits, halfWidth === undefined ? {} : { halfWidth });
}

/** The source column of our rows. */
export function sourceText(numSeeds: number): string {
  if (numSeeds === 0) return "not run";
  return numSeeds === 1 ? "ours" : `ours, ${numSeeds} seeds`;
}
