import type { z } from "zod";
import { show } from "../config/explain.ts";
import { integer } from "../config/fields.ts";
import { augSchema } from "../config/schema-algorithm.ts";
import { ConfigError } from "../errors.ts";
import type { MaskedView } from "../native/binding.ts";

const maskSchema = augSchema
  .pick({ mode: true, patchPx: true, ratio: true, exact: true, fill: true })
  .extend({ seed: integer({ min: 0 }).default(0).describe("Root of the mask's random numbers, as the run's seed") });

/** A masked picture by drawn cells, as the setting `aug` has it: a function of these values and the picture's number. */
export type PictureMask = z.input<typeof maskSchema>;

/**
 * @param key names the mask in errors
 * @throws {ConfigError} for a value that is not allowed
 */
export function maskedView(mask: PictureMask, key: string): MaskedView {
  const { data, error } = maskSchema.safeParse(mask);
  if (data) return { ...data, perResponse: false };
  const [issue] = error.issues;
  if (!issue) throw error;
  const { path, message } = issue;
  const came: unknown = path.reduce<unknown>((value, name) => (value as Record<PropertyKey, unknown>)[name], mask);
  throw new ConfigError([key, ...path].join("."), path.length === 0 ? message : `${message}, got ${show(came)}`);
}
