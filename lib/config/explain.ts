// A broken rule in words: where, which setting, the rule, what came.
import { z } from "zod";
import { ConfigError } from "../errors.ts";
import { runSchema } from "./schema.ts";
import { didYouMean } from "./suggest.ts";
import { leaves, nearestOrigin, settingAt, toPlain } from "./tree.ts";
import type { Branch } from "./tree.ts";

const maxShown = 80;
const maxLines = 10;

/** A value as it is quoted in messages, cut to a readable length. */
export function show(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "number") return String(value);
  const text = JSON.stringify(value);
  return text.length > maxShown ? `${text.slice(0, maxShown)}...` : text;
}

/** The schema that defaults and null are put around. */
export function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  let inner = schema;
  while (
    inner instanceof z.ZodDefault ||
    inner instanceof z.ZodPrefault ||
    inner instanceof z.ZodNullable ||
    inner instanceof z.ZodOptional
  ) {
    inner = inner.unwrap();
  }
  return inner;
}

function* keysOf(schema: z.core.$ZodType, prefix: string): Generator<string> {
  const inner = unwrap(schema);
  if (!(inner instanceof z.ZodObject)) return;
  const shape: Readonly<Record<string, z.core.$ZodType>> = inner.shape;
  for (const [key, field] of Object.entries(shape)) {
    yield prefix + key;
    yield* keysOf(field, `${prefix}${key}.`);
  }
}

/** Every dotted key that a run may hold. */
export const settingKeys: ReadonlySet<string> = new Set(keysOf(runSchema, ""));

/** The map whose keys are the user's. */
const freeMap = "reward.kwargs.";

/** Whether a run may hold a value at `path`. */
export function isSettingPath(path: readonly string[]): boolean {
  const key = path.join(".");
  return settingKeys.has(key) || key.startsWith(freeMap);
}

/** A rule that a setting breaks; the path is dotted names and list positions. */
export interface Problem {
  readonly path: readonly PropertyKey[];
  readonly text: string;
}

/**
 * Keys that no setting has, each once, with the nearest key that exists.
 * @param hint what else is known about a key, e.g. that it is the reference's name of one
 */
export function unknownKeys(root: Branch, hint: (key: string) => string | undefined): Problem[] {
  const found = new Map<string, Problem>();
  for (const { path } of leaves(root)) {
    if (isSettingPath(path)) continue;
    const known = path.findIndex((_, end) => !settingKeys.has(path.slice(0, end + 1).join(".")));
    const hinted = hint(path.join("."));
    const bad = hinted === undefined ? path.slice(0, known + 1) : path;
    const key = bad.join(".");
    found.set(key, { path: bad, text: `unknown key${hinted ?? didYouMean(key, [...settingKeys, "extends"])}` });
  }
  return [...found.values()];
}

function valueAt(plain: unknown, path: readonly PropertyKey[]): unknown {
  let value = plain;
  for (const key of path) value = (value as Record<PropertyKey, unknown> | undefined)?.[key];
  return value;
}

/** Every broken rule that zod found. */
export function zodProblems(error: z.ZodError, root: Branch): Problem[] {
  const plain = toPlain(root);
  return error.issues.map((issue) => {
    const rule = issue.code === "invalid_type" && issue.expected === "object" ? "expected a map" : issue.message;
    return { path: issue.path, text: `${rule}, got ${show(valueAt(plain, issue.path))}` };
  });
}

/** The key as it was written: the reference's name where the value comes from the reference's file. */
function writtenKey(root: Branch, path: readonly PropertyKey[]): string {
  return settingAt(root, path)?.origin.key ?? path.map(String).join(".");
}

/**
 * One error for all problems, one line each; `path` and `where` are those of the first.
 * @param problems one or more
 */
export function configError(root: Branch, problems: readonly Problem[]): ConfigError {
  const errors = problems
    .slice(0, maxLines)
    .map(({ path, text }) => new ConfigError(writtenKey(root, path), text, nearestOrigin(root, path).where));
  const [first, ...others] = errors;
  if (first === undefined) throw new RangeError("[configError] needs 1 or more problems, got 0");
  const rest = others.map((error) => `\n${error.message}`).join("");
  const more = problems.length > maxLines ? `\nand ${problems.length - maxLines} more` : "";
  return new ConfigError(first.path, (problems[0]?.text ?? "") + rest + more, first.where);
}
