// Reads the reference's own YAML: each of its keys becomes papo's, or is listed as ignored or as never read by the
// reference itself. What cannot be done here is an error; nothing is dropped silently.
import { referenceKeys, ruleOf, truth } from "./easyr1-keys.ts";
import type { ReferenceKey } from "./easyr1-keys.ts";
import { translateJoint } from "./easyr1-joint.ts";
import { put, refuse } from "./easyr1-state.ts";
import type { Translation } from "./easyr1-state.ts";
import { configError, isSettingPath, settingKeys, show } from "./explain.ts";
import type { ConfigNotes } from "./schema.ts";
import { didYouMean } from "./suggest.ts";
import { branch, leaves, toPlain } from "./tree.ts";
import type { Branch, Setting } from "./tree.ts";

const papoOnlyParts = ["extends", "compat", "seed", "model", "rollout", "reward", "aug", "optim", "guard"];

/** Whether `root` is written in the reference's keys. */
export function isReferenceConfig(root: Branch): boolean {
  if (root.entries.has("worker")) return true;
  if (papoOnlyParts.some((part) => root.entries.has(part))) return false;
  return [...leaves(root)].some(({ path }) => referenceKeys.has(path.join(".")) && !isSettingPath(path));
}

/**
 * The reference's settings in papo's keys.
 * @param folder where relative paths start: the working folder, as in the reference
 * @throws {ConfigError} an unknown key, or a value that asks for what papo does not do
 */
export function translateReference(reference: Branch, folder: string): { root: Branch; notes: ConfigNotes } {
  const state: Translation = {
    root: branch([], { ...reference.origin, folder, source: "published" }),
    reference,
    folder,
    problems: [],
    withoutEffect: [],
    ignored: [],
    neverRead: [],
  };
  for (const { path, setting } of leaves(reference)) translateOne(state, path.join("."), setting);
  translateJoint(state);
  if (state.problems.length > 0) throw configError(reference, state.problems);
  const { root, withoutEffect, ignored, neverRead } = state;
  return { root, notes: { withoutEffect, ignored, neverRead } };
}

const isPart = (key: string) => [...referenceKeys.keys()].some((known) => known.startsWith(`${key}.`));

function translateOne(state: Translation, key: string, setting: Setting): void {
  const rule = ruleOf(key);
  if (rule !== undefined) {
    applyRule(state, key, rule, setting);
    return;
  }
  const isEmpty = setting.kind === "branch" || setting.value === null;
  if (isPart(key)) {
    if (!isEmpty) refuse(state, key, `expected a map, got ${show(toPlain(setting))}`);
    return;
  }
  refuse(state, key, `unknown key${didYouMean(key, referenceKeys.keys()) || didYouMean(key, settingKeys)}`);
}

function applyRule(state: Translation, key: string, rule: ReferenceKey, setting: Setting): void {
  const value = toPlain(setting);
  if ("ignored" in rule) state.ignored.push(`${key}: ${rule.ignored}`);
  else if ("neverRead" in rule) state.neverRead.push(`${key}: ${rule.neverRead}`);
  else if ("only" in rule) checkOnly(state, key, rule, setting);
  else if ("to" in rule) {
    const converted = rule.convert?.(value, setting.origin) ?? { value };
    if ("rule" in converted) refuse(state, key, `${converted.rule}, got ${show(value)}`);
    else put(state, rule.to, converted.value, setting.origin);
  }
}

type OnlyRule = Extract<ReferenceKey, { only: readonly unknown[] }>;

function checkOnly(state: Translation, key: string, rule: OnlyRule, setting: Setting): void {
  const value = toPlain(setting);
  const isEmptyMap = setting.kind === "branch" && setting.entries.size === 0;
  if (isEmptyMap || rule.only.includes(value) || rule.only.includes(truth(value))) {
    state.ignored.push(`${key}: ${rule.why}`);
    return;
  }
  const allowed = rule.only.length === 0 ? "nothing here" : rule.only.map(show).join(" or ");
  refuse(state, key, `expected ${allowed} (${rule.why}), got ${show(value)}`);
}
