// The reference's reward function and its arguments: the published one is built in, others are JavaScript modules.
import { rewardArguments } from "./easyr1-keys.ts";
import { put, read, refuse } from "./easyr1-state.ts";
import type { Translation } from "./easyr1-state.ts";
import { show } from "./explain.ts";
import { leaves, toPlain } from "./tree.ts";
import type { Setting } from "./tree.ts";

const functionKey = "worker.reward.reward_function";

/** Wherever the reference's repository lies; another file of that name is another reward. */
const published = /(?:^|[/\\])examples[/\\]reward_function[/\\]math\.py:compute_score$/u;

type Reward = "math" | "module" | "refused";

export function translateReward(state: Translation): void {
  const reward = translateFunction(state, read(state, functionKey));
  const given = read(state, rewardArguments);
  if (given?.kind !== "branch" || reward === "refused") return;
  for (const { path, setting } of leaves(given)) {
    const value = toPlain(setting);
    const key = path.join(".");
    if (reward === "module") put(state, ["reward", "kwargs", ...path], value, setting.origin);
    else if (key === "format_weight") put(state, "reward.formatWeight", value, setting.origin);
    else refuse(state, `${rewardArguments}.${key}`, "the published math reward takes format_weight only");
  }
}

function translateFunction(state: Translation, setting: Setting | undefined): Reward {
  if (setting === undefined) return "math";
  const value = toPlain(setting);
  if (value === null || (typeof value === "string" && published.test(value))) {
    put(state, "reward.type", "math", setting.origin);
    return "math";
  }
  if (typeof value === "string" && /\.[cm]?[jt]s$/u.test(value)) {
    put(state, "reward.type", value, setting.origin);
    return "module";
  }
  const how =
    "port it to a JavaScript module that exports computeReward(items, kwargs), gets a batch of responses and returns " +
    "one { overall, ... } for each";
  const builtIn = "only examples/reward_function/math.py:compute_score is built in";
  refuse(
    state,
    functionKey,
    `Python is not run here; ${how}, and name it as ./my-reward.mjs; ${builtIn}, got ${show(value)}`,
  );
  return "refused";
}
