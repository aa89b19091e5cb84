// What a translation of the reference's settings has gathered so far.
import { truth } from "./easyr1-keys.ts";
import { show } from "./explain.ts";
import type { Problem } from "./explain.ts";
import { leaf, mergeAt, settingAt, toPlain } from "./tree.ts";
import type { Branch, Origin, Setting } from "./tree.ts";

export interface Translation {
  /** Papo's settings so far. */
  root: Branch;
  readonly reference: Branch;
  readonly folder: string;
  readonly problems: Problem[];
  readonly withoutEffect: string[];
  readonly ignored: string[];
  readonly neverRead: string[];
}

/** Sets papo's key `to`, dotted or in parts. */
export function put(state: Translation, to: string | readonly string[], value: unknown, origin: Origin): void {
  const published: Origin = { ...origin, folder: state.folder, source: "published" };
  state.root = mergeAt(state.root, typeof to === "string" ? to.split(".") : to, leaf(value, published));
}

/** Notes a broken rule of the reference's `key`. */
export function refuse(state: Translation, key: string, text: string): void {
  state.problems.push({ path: key.split("."), text });
}

/** What the reference's `key` was set to; undefined where it was not. */
export function read(state: Translation, key: string): Setting | undefined {
  return settingAt(state.reference, key.split("."));
}

/** Whether the reference's switch `key` is on; anything but a truth value is refused. */
export function isOn(state: Translation, key: string): boolean {
  const setting = read(state, key);
  if (setting === undefined) return false;
  const value = truth(toPlain(setting));
  if (typeof value === "boolean") return value;
  refuse(state, key, `expected true or false, got ${show(value)}`);
  return false;
}
