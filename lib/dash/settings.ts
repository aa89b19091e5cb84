// A run's record as flat settings, so that runs can be laid side by side.
import { type Fields, isFields } from "./read-fields.ts";

const maxSettings = 5000;

/** By dotted key, as JSON; lists are one value. `config.` is left out of the names, git and build keep theirs. */
export function flatSettings({ config, ...rest }: Fields): Record<string, string> {
  const entries = [...flatten(config, ""), ...flatten(rest, "")].slice(0, maxSettings);
  return Object.fromEntries(entries);
}

function* flatten(value: unknown, key: string): Generator<[string, string]> {
  if (isFields(value) && Object.keys(value).length > 0) {
    for (const [name, below] of Object.entries(value)) yield* flatten(below, key === "" ? name : `${key}.${name}`);
    return;
  }
  if (key !== "" && value !== undefined) yield [key, JSON.stringify(value)];
}
