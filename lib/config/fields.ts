// The kinds of setting. Each carries one rule text, so that every way to break it is reported in the same words.
import { z } from "zod";

interface Range {
  /** Lowest allowed value. */
  readonly min?: number;
  /** Highest allowed value. */
  readonly max?: number;
  /** Not allowed itself; everything above is. */
  readonly above?: number;
  /** Not allowed itself; everything below is. */
  readonly below?: number;
}

function rangeText({ min, max, above, below }: Range): string {
  const low = min === undefined ? (above === undefined ? undefined : `> ${above}`) : `>= ${min}`;
  const high = max === undefined ? (below === undefined ? undefined : `< ${below}`) : `<= ${max}`;
  return [low, high].filter((part) => part !== undefined).join(" and ");
}

function ranged(base: z.ZodNumber, range: Range, error: string): z.ZodNumber {
  let schema = base;
  if (range.min !== undefined) schema = schema.min(range.min, { error });
  if (range.max !== undefined) schema = schema.max(range.max, { error });
  if (range.above !== undefined) schema = schema.gt(range.above, { error });
  if (range.below !== undefined) schema = schema.lt(range.below, { error });
  return schema;
}

/** A finite number in a range. */
export function real(range: Range): z.ZodNumber {
  const error = `expected a number ${rangeText(range)}`.trimEnd();
  return ranged(z.number({ error }), range, error);
}

/** A safe integer in a range. */
export function integer(range: Range): z.ZodNumber {
  const error = `expected an integer ${rangeText(range)}`.trimEnd();
  return ranged(z.number({ error }).int({ error }), range, error);
}

/** An integer >= 1, or -1 with the meaning given (the reference's spelling of "no limit" and "never"). */
export function integerOrMinusOne(meaning: string): z.ZodNumber {
  const error = `expected an integer >= 1, or -1 (${meaning})`;
  return ranged(z.number({ error }).int({ error }), { min: -1 }, error).refine((value) => value !== 0, { error });
}

/** true, false, or the choice left to papo. */
export function flagOrAuto() {
  return z.literal([true, false, "auto"], { error: "expected true, false or auto" });
}

export function flag(): z.ZodBoolean {
  return z.boolean({ error: "expected true or false" });
}

/** A string with at least one character that is not blank. */
export function text(what: string): z.ZodString {
  const error = `expected ${what}`;
  return z.string({ error }).regex(/\S/u, { error });
}

export function choice<const Values extends readonly [string, ...string[]]>(values: Values) {
  return z.enum(values, { error: `expected one of ${values.join(", ")}` });
}
