// Settings of the reference that only mean something together, e.g. a switch and the value that it guards.
import { existsSync } from "node:fs";
import { basename, resolve } from "node:path";
import { translateReward } from "./easyr1-reward.ts";
import { isOn, put, read } from "./easyr1-state.ts";
import type { Translation } from "./easyr1-state.ts";
import { translateDiscounts } from "./easyr1-discounts.ts";
import { builtInFormatPrompts } from "./paths.ts";
import { settingAt, toPlain } from "./tree.ts";

/** A pair of the reference: a switch, and a value that counts only while the switch is on. */
interface Switched {
  readonly use: string;
  readonly value: string;
  /** The reference's default of `value`. */
  readonly fallback: number;
  readonly to: string;
}

const switchedKeys: readonly Switched[] = [
  {
    use: "algorithm.use_aug_entropy_loss",
    value: "algorithm.aug_entropy_loss_coef",
    fallback: 0.03,
    to: "algorithm.entropy.augCoef",
  },
  {
    use: "algorithm.use_ori_entropy_loss",
    value: "algorithm.ori_entropy_loss_coef",
    fallback: 0.03,
    to: "algorithm.entropy.oriCoef",
  },
  {
    use: "algorithm.use_kl_prcp_clipping",
    value: "algorithm.kl_prcp_clipping",
    fallback: 0.2,
    to: "algorithm.klPrcp.clipping",
  },
  {
    use: "algorithm.use_kl_prcp_token_level_mask",
    value: "algorithm.kl_prcp_token_level_mask_top_p",
    fallback: 0.2,
    to: "algorithm.klPrcp.tokenTopP",
  },
  { use: "algorithm.use_sft_loss", value: "algorithm.sft_loss_coef", fallback: 1e-3, to: "algorithm.sft.coef" },
];

function translateSwitched(state: Translation, { use, value, fallback, to }: Switched): void {
  const setting = read(state, value);
  if (isOn(state, use)) {
    const origin = setting?.origin ?? read(state, use)?.origin;
    if (origin !== undefined) put(state, to, setting === undefined ? fallback : toPlain(setting), origin);
  } else if (setting !== undefined) {
    state.withoutEffect.push(`${value}: has no effect without ${use}`);
  }
}

/** Adds everything that the reference's keys say jointly to the translation. */
export function translateJoint(state: Translation): void {
  for (const pair of switchedKeys) translateSwitched(state, pair);
  translateKlMode(state);
  translateDiscounts(state);
  translateIncorrectWeighting(state);
  translateReward(state);
  translateFormatPrompt(state);
}

function translateKlMode(state: Translation): void {
  const disable = read(state, "algorithm.disable_kl");
  const asLoss = read(state, "algorithm.use_kl_loss");
  const isDisabled = isOn(state, "algorithm.disable_kl");
  const isLoss = isOn(state, "algorithm.use_kl_loss");
  const origin = isDisabled ? disable?.origin : (asLoss?.origin ?? disable?.origin);
  if (origin !== undefined) put(state, "algorithm.klRef.mode", isDisabled ? "off" : isLoss ? "loss" : "reward", origin);
}

/** The published code has no mode but `all`, and so never reads the weight; papo's `weighted` does. */
function translateIncorrectWeighting(state: Translation): void {
  const key = "algorithm.incorrect_weighting";
  const setting = read(state, key);
  if (setting === undefined) return;
  const mode = settingAt(state.root, ["algorithm", "klPrcp", "applyMode"]);
  if (mode !== undefined && toPlain(mode) === "weighted") {
    put(state, "algorithm.klPrcp.incorrectWeighting", toPlain(setting), setting.origin);
  } else {
    state.neverRead.push(`${key}: the reference has only kl_prcp_apply_mode: all`);
  }
}

/** The published template is built in, so its file need not be there. */
function translateFormatPrompt(state: Translation): void {
  const setting = read(state, "data.format_prompt");
  if (setting === undefined) return;
  const value = toPlain(setting);
  const builtIn = typeof value === "string" ? basename(value).replace(/\.jinja$/u, "") : "";
  const isMissing = typeof value === "string" && !existsSync(resolve(state.folder, value));
  const taken = isMissing && builtInFormatPrompts.includes(builtIn) ? builtIn : value;
  put(state, "data.formatPrompt", taken, setting.origin);
}
