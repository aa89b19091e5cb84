// `key=value` words of the command line to settings.
import { isScalar, parseDocument } from "yaml";
import { ConfigError } from "../errors.ts";
import { parseSettings } from "./read-yaml.ts";
import { leaf, relabel } from "./tree.ts";
import type { Origin, Setting } from "./tree.ts";

const where = "command line";
const keyPattern = /^[A-Za-z_][\w-]*(?:\.[\w-]+)*$/u;

export interface Override {
  readonly path: readonly string[];
  readonly setting: Setting;
}

/** A list, a map or a quoted text is read as YAML; anything else is one YAML scalar, or the text as it stands. */
function parseValue(key: string, text: string, origin: Origin): Setting {
  if (/^[[{"']/u.test(text)) {
    try {
      const root = parseSettings(`value: ${text}`, where, { folder: origin.folder, source: "own" });
      const setting = root.entries.get("value");
      if (setting !== undefined) return relabel(setting, origin);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
    }
    throw new ConfigError(key, `expected YAML after the =, got ${text}; put quotes around plain text`, where);
  }
  const document = parseDocument(text, { prettyErrors: false });
  const { contents } = document;
  const plain = isScalar(contents) && contents.source === text && contents.tag === undefined;
  if (text === "") return leaf(null, origin);
  return leaf(plain && document.errors.length === 0 ? contents.value : text, origin);
}

/**
 * One override, e.g. `optim.lr=1e-6` (a number), `algorithm.klRef.mode=off` (a text: YAML 1.2), `optim.betas=[0.9,0.95]`.
 * An empty value is null. Relative paths in it start from `folder`.
 * @throws {ConfigError} no `=`, a key that is not dotted names, or a broken list or map
 */
export function parseOverride(word: string, folder: string): Override {
  const split = word.indexOf("=");
  if (split < 0) throw new ConfigError("", `expected key=value, got ${JSON.stringify(word)}`, where);
  const key = word.slice(0, split);
  if (!keyPattern.test(key) || key.split(".").includes("__proto__")) {
    throw new ConfigError("", `expected a dotted key before the =, got ${JSON.stringify(key)}`, where);
  }
  const origin: Origin = { where, key, folder, source: "own" };
  return { path: key.split("."), setting: parseValue(key, word.slice(split + 1).trim(), origin) };
}
