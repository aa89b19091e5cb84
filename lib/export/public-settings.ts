// A run's settings as they may be published: no folders of this machine, no servers, no values of a reward's own settings.
import { basename, isAbsolute } from "node:path";
import type { RunConfig } from "../config/schema.ts";

const leftOut: ReadonlySet<string> = new Set(["notes", "trainer.outDir", "trainer.mlflow", "trainer.prometheus"]);
/** May hold keys of services. */
const keysOnly = "reward.kwargs";

export function publicSettings(config: RunConfig): Record<string, unknown> {
  return publicMap(config, "");
}

function publicMap(map: object, path: string): Record<string, unknown> {
  const shown = Object.entries(map).flatMap(([name, value]: [string, unknown]) => {
    const key = path === "" ? name : `${path}.${name}`;
    return leftOut.has(key) ? [] : [[name, publicValue(value, key)] as const];
  });
  return Object.fromEntries(shown);
}

function publicValue(value: unknown, key: string): unknown {
  if (key === keysOnly && typeof value === "object" && value !== null) return Object.keys(value);
  if (typeof value === "string") return isAbsolute(value) ? basename(value) : value;
  if (Array.isArray(value)) return value.map((item: unknown) => publicValue(item, key));
  return typeof value === "object" && value !== null ? publicMap(value, key) : value;
}

/** `org/name` of a hub id with or without `@split`; undefined for a path. */
export function hubId(spec: string | null): string | undefined {
  const id = spec?.split("@")[0];
  return id !== undefined && /^[\w-][\w.-]*\/[\w-][\w.-]*$/u.test(id) ? id : undefined;
}
