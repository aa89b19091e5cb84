// Settings of the reference that it reads in some modes only. A value that papo does not have is an error in those, and
// elsewhere a note.
import { convertEstimator, truth } from "./easyr1-keys.ts";
import { put, read, refuse } from "./easyr1-state.ts";
import type { Translation } from "./easyr1-state.ts";
import { show } from "./explain.ts";
import { toPlain } from "./tree.ts";

/** Translates the discounts and the KL estimators. */
export function translateUnread(state: Translation): void {
  for (const [key, estimators] of Object.entries(discounts)) translateDiscount(state, key, estimators);
  const disabled = isTrue(state, "algorithm.disable_kl");
  translateEstimator(state, "algorithm.kl_penalty", {
    to: "algorithm.klRef.estimator",
    unless: disabled ? "algorithm.disable_kl: false" : undefined,
  });
  const perceives = isTrue(state, "algorithm.use_kl_prcp");
  translateEstimator(state, "algorithm.kl_prcp_penalty", {
    to: "algorithm.klPrcp.estimator",
    unless: perceives ? undefined : "algorithm.use_kl_prcp: true",
  });
}

function plainAt(state: Translation, key: string): unknown {
  const setting = read(state, key);
  return setting === undefined ? undefined : toPlain(setting);
}

const isTrue = (state: Translation, key: string) => truth(plainAt(state, key)) === true;

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

interface Estimator {
  readonly to: string;
  /** What has to be set for the reference to read it; undefined where it does. */
  readonly unless: string | undefined;
}

/** `full`, which papo does not have, is right where no KL is computed. */
function translateEstimator(state: Translation, key: string, { to, unless }: Estimator): void {
  const setting = read(state, key);
  if (setting === undefined) return;
  const value = toPlain(setting);
  const converted = convertEstimator(value);
  if ("value" in converted) put(state, to, converted.value, setting.origin);
  else if (value === "full" && unless !== undefined)
    state.withoutEffect.push(`${key}: has no effect without ${unless}`);
  else refuse(state, key, `${converted.rule}, got ${show(value)}`);
}
