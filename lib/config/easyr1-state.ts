// What a translation of the reference's settings has gathered so far.
import type { Problem } from "./explain.ts";
import { leaf, mergeAt } from "./tree.ts";
import type { Branch, Origin } from "./tree.ts";

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

/** Sets papo's key `to`. */
export function put(state: Translation, to: string, value: unknown, origin: Origin): void {
  const published: Origin = { ...origin, folder: state.folder, source: "published" };
  state.root = mergeAt(state.root, to.split("."), leaf(value, published));
}

/** Notes a broken rule of the reference's `key`. */
export function refuse(state: Translation, key: string, text: string): void {
  state.problems.push({ path: key.split("."), text });
}
