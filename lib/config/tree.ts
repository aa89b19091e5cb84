// Settings as they were written: a tree that knows, for every value, where it comes from.

/** Where a setting was written. */
export interface Origin {
  /** `file:line:column` of the key, or `command line`. */
  readonly where: string;
  /** The dotted key as written there; the reference's own name in the reference's files. */
  readonly key: string;
  /** Folder that a relative path in the value starts from. */
  readonly folder: string;
  /** Decides about a setting that cannot act: in `own` files it is refused, in `published` ones noted; `resolved` is
   *  the output of an earlier run, with every setting spelt out. */
  readonly source: "own" | "published" | "resolved";
}

/** A value that is no map; lists are one value. */
export interface Leaf {
  readonly kind: "leaf";
  readonly value: unknown;
  readonly origin: Origin;
}

export interface Branch {
  readonly kind: "branch";
  readonly entries: ReadonlyMap<string, Setting>;
  readonly origin: Origin;
}

export type Setting = Leaf | Branch;

export function leaf(value: unknown, origin: Origin): Leaf {
  return { kind: "leaf", value, origin };
}

export function branch(entries: Iterable<readonly [string, Setting]>, origin: Origin): Branch {
  return { kind: "branch", entries: new Map(entries), origin };
}

/** `over` on top of `base`: maps are joined key by key, anything else is replaced. */
export function merge(base: Branch, over: Branch): Branch {
  const entries = new Map(base.entries);
  for (const [key, setting] of over.entries) {
    const below = entries.get(key);
    const joins = below?.kind === "branch" && setting.kind === "branch";
    entries.set(key, joins ? merge(below, setting) : setting);
  }
  return branch(entries, over.origin);
}

/** `setting` alone, at `path` (one or more names) below an otherwise empty root. */
export function nest(path: readonly string[], setting: Setting): Branch {
  const nested = path.reduceRight((inner, name, depth) => {
    const key = path.slice(0, depth).join(".");
    return branch([[name, inner]], { ...setting.origin, key });
  }, setting);
  return nested.kind === "branch" ? nested : branch([], setting.origin);
}

/** `root` with `setting` put on top of what is at `path`. */
export function mergeAt(root: Branch, path: readonly string[], setting: Setting): Branch {
  return { ...merge(root, nest(path, setting)), origin: root.origin };
}

/** `root` without its entry `key`. */
export function without(root: Branch, key: string): Branch {
  return branch(
    [...root.entries].filter(([name]) => name !== key),
    root.origin,
  );
}

export function settingAt(root: Setting, path: readonly PropertyKey[]): Setting | undefined {
  let setting: Setting | undefined = root;
  for (const key of path) {
    if (setting.kind !== "branch") return undefined;
    setting = setting.entries.get(String(key));
    if (setting === undefined) return undefined;
  }
  return setting;
}

/** Origin of the setting at `path`, else of the nearest one above it. */
export function nearestOrigin(root: Setting, path: readonly PropertyKey[]): Origin {
  for (let length = path.length; length > 0; length--) {
    const setting = settingAt(root, path.slice(0, length));
    if (setting !== undefined) return setting.origin;
  }
  return root.origin;
}

/** Every value below `root` with its path; a map without keys counts as a value. */
export function* leaves(root: Setting, path: readonly string[] = []): Generator<{ path: string[]; setting: Setting }> {
  if (root.kind === "leaf" || (root.entries.size === 0 && path.length > 0)) {
    yield { path: [...path], setting: root };
    return;
  }
  for (const [key, setting] of root.entries) yield* leaves(setting, [...path, key]);
}

/** The same values, all from one place: positions inside a word or an object tell nothing. */
export function relabel(setting: Setting, origin: Origin): Setting {
  return setting.kind === "leaf" ? leaf(setting.value, origin) : relabelMap(setting, origin);
}

/** As relabel, for a map. */
export function relabelMap(map: Branch, origin: Origin): Branch {
  const prefix = origin.key === "" ? "" : `${origin.key}.`;
  return branch(
    [...map.entries].map(([key, entry]) => [key, relabel(entry, { ...origin, key: prefix + key })] as const),
    origin,
  );
}

/** The bare values. */
export function toPlain(setting: Setting): unknown {
  if (setting.kind === "leaf") return setting.value;
  return Object.fromEntries([...setting.entries].map(([key, entry]) => [key, toPlain(entry)]));
}
