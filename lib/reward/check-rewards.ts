// What a reward of the user's has to be.
import { RewardError } from "../errors.ts";
import type { Reward } from "../types.ts";

/**
 * What a module returned for a batch, as rewards: an array of the batch's length.
 * @throws {RewardError} naming the index, the part and what came
 */
export function checkRewards(rewards: unknown, numItems: number, path: string): Reward[] {
  const where = `reward.type ${path}`;
  if (!Array.isArray(rewards)) throw wrong(where, "rewards", { rule: "an array", came: rewards });
  if (rewards.length !== numItems)
    throw wrong(where, "rewards", { rule: `${numItems} of them, one per response`, came: rewards.length });
  return Array.from(rewards as unknown[], (reward, index) => checkReward(reward, { where, name: `rewards[${index}]` }));
}

/**
 * An object with a finite `overall` and any other finite numbers.
 * @throws {RewardError} `<where>: <name>.<part>: ...`
 */
export function checkReward(
  reward: unknown,
  { where, name }: { readonly where: string; readonly name: string },
): Reward {
  if (typeof reward !== "object" || reward === null || Array.isArray(reward))
    throw wrong(where, name, { rule: "an object such as { overall: 1 }", came: reward });
  const { overall } = reward as { overall?: unknown };
  for (const [part, value] of Object.entries({ overall, ...reward })) {
    if (!Number.isFinite(value)) throw wrong(where, `${name}.${part}`, { rule: "a finite number", came: value });
  }
  return reward as Reward;
}

function wrong(where: string, name: string, { rule, came }: { rule: string; came: unknown }): RewardError {
  return new RewardError(`${where}: ${name}: expected ${rule}, got ${describe(came)}`);
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return "an array";
  if (typeof value === "string") return JSON.stringify(value.slice(0, 80));
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "function" ? "a function" : String(value);
}
