// Every setting as documentation has it: what it may be, its default, what it does, what it needs in order to act.
import { z } from "zod";
import { unwrap } from "./explain.ts";
import { runSchema } from "./schema.ts";
import { needsOf } from "./without-effect.ts";

export interface SettingDoc {
  /** Dotted. */
  readonly key: string;
  /** What it may be, in the words of the error that anything else is: `an integer >= 1`. */
  readonly rule: string;
  /** Undefined where it has to be given. */
  readonly fallback: unknown;
  readonly meaning: string;
  /** Settings without which it has no effect. */
  readonly needs: readonly string[];
}

/** A part of a run, `algorithm` and its like, or a map of settings in one. */
export interface SettingGroup {
  /** Dotted; "" for the run itself. */
  readonly key: string;
  readonly meaning: string;
  readonly settings: readonly SettingDoc[];
}

/** The settings of the run itself, then those of each map, outer before inner, as the schema has them. */
export function settingGroups(): readonly SettingGroup[] {
  return groupsOf("", runSchema);
}

function groupsOf(key: string, schema: z.core.$ZodType): SettingGroup[] {
  const inner = unwrap(schema);
  if (!(inner instanceof z.ZodObject)) return [];
  const fields = Object.entries(inner.shape as Readonly<Record<string, z.ZodType>>).map(
    ([name, field]) => [key === "" ? name : `${key}.${name}`, field] as const,
  );
  const settings = fields
    .filter(([, field]) => !isMap(field) || isNullable(field))
    .map(([name, field]) => docOf(name, field));
  const group = { key, meaning: meaningOf(schema), settings };
  return [group, ...fields.flatMap(([name, field]) => groupsOf(name, field))];
}

function docOf(key: string, field: z.ZodType): SettingDoc {
  return { key, rule: ruleOf(field), fallback: fallbackOf(field), meaning: meaningOf(field), needs: needsOf(key) };
}

const isMap = (schema: z.core.$ZodType) => unwrap(schema) instanceof z.ZodObject;
const isNullable = (schema: z.ZodType) => schema.safeParse(null).success;
const meaningOf = (schema: z.core.$ZodType) => (schema as z.ZodType).description ?? "";

/** No setting is a symbol, so that every schema says what it expects instead. */
function ruleOf(field: z.ZodType): string {
  const text = isMap(field)
    ? "a map"
    : ((unwrap(field) as z.ZodType).safeParse(Symbol()).error?.issues[0]?.message ?? "");
  const rule = text.replace(/^expected /u, "");
  return isNullable(field) && !/\bor null$/u.test(rule) ? `${rule}, or null` : rule;
}

function fallbackOf(field: z.ZodType): unknown {
  const result = field.safeParse(undefined);
  return result.success ? result.data : undefined;
}
