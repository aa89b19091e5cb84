import { readFile } from "node:fs/promises";
import type { z } from "zod";
import { DataError } from "../errors.ts";

/**
 * A JSON file of the form that the schema says.
 * @throws {DataError} naming the file, and the key that is wrong
 */
export async function readJsonFile<T>(file: string, schema: z.ZodType<T>): Promise<T> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw new DataError(file, undefined, `cannot be read: ${(error as NodeJS.ErrnoException).code ?? ""}`);
  });
  const parsed = schema.safeParse(parse(text, file));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new DataError(file, undefined, `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "expected a result"}`);
}

function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new DataError(file, undefined, `expected JSON: ${(error as Error).message}`);
  }
}
