// A run's settings and names in the words that MLflow takes.
import type { RunConfig } from "../config/schema.ts";
import type { RunRecord } from "../trainer/run-record.ts";
import type { KeyValue } from "./mlflow-client.ts";

const maxKeyLength = 250;
/** Of older servers; newer ones take more. */
const maxValueLength = 500;

/** A metric's name with what MLflow refuses replaced: it takes letters, digits, `_-. /` and normal paths. */
export function metricKey(name: string): string {
  const parts = name.replaceAll(/[^\w\-. /]/gu, "_").split("/");
  return parts
    .map((part) => (part === "" || part === "." || part === ".." ? "_" : part))
    .join("/")
    .slice(0, maxKeyLength);
}

/** Every setting under its dotted key. */
export function runParams(config: RunConfig): KeyValue[] {
  const settings = Object.entries(config).filter(([part]) => part !== "notes");
  return leaves(Object.fromEntries(settings), "").map(({ key, value }) => ({
    key: metricKey(key),
    value: value.length > maxValueLength ? `${value.slice(0, maxValueLength - 3)}...` : value,
  }));
}

/** Lists are one value. */
function leaves(value: unknown, key: string): KeyValue[] {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return [{ key, value: typeof value === "string" ? value : JSON.stringify(value) }];
  return Object.entries(value).flatMap(([name, below]) => leaves(below, key === "" ? name : `${key}.${name}`));
}

export function runTags({ command, git, build }: RunRecord): KeyValue[] {
  return [
    { key: "mlflow.source.name", value: `papo ${command}` },
    { key: "mlflow.source.type", value: "LOCAL" },
    ...(git ? [{ key: "mlflow.source.git.commit", value: git.commit }] : []),
    ...Object.entries(build).map(([name, value]) => ({ key: `papo.${name}`, value })),
  ];
}
