// Discounts, which the reference reads in some modes only. A value that papo does not have is an error in those, and
// elsewhere a note.
import { read, refuse } from "./easyr1-state.ts";
import type { Translation } from "./easyr1-state.ts";
import { show } from "./explain.ts";
import { toPlain } from "./tree.ts";

export function translateDiscounts(state: Translation): void {
  for (const [key, estimators] of Object.entries(discounts)) translateDiscount(state, key, estimators);
}

function plainAt(state: Translation, key: string): unknown {
  const setting = read(state, key);
  return setting === undefined ? undefined : toPlain(setting);
}

/** Advantage estimators of the reference that read the discount. */
const discounts: Readonly<Record<string, readonly string[]>> = {
  "algorithm.gamma": ["gae", "reinforce_plus_plus"],
  "algorithm.lam": ["gae"],
};

function translateDiscount(state: Translation, key: string, estimators: readonly string[]): void {
  const value = plainAt(state, key);
  if (value === undefined) return;
  const readers = `algorithm.adv_estimator: ${estimators.join(" or ")}`;
  const isPlusPlus = plainAt(state, "algorithm.adv_estimator") === "reinforce_plus_plus";
  if (typeof value !== "number") refuse(state, key, `expected a number, got ${show(value)}`);
  else if (value === 1) state.ignored.push(`${key}: 1 is no discount`);
  else if (isPlusPlus && estimators.includes("reinforce_plus_plus")) {
    const why = "papo's REINFORCE++ is undiscounted, as every published setting";
    refuse(state, key, `expected 1 (${why}), got ${show(value)}`);
  } else state.withoutEffect.push(`${key}: has no effect without ${readers}`);
}
