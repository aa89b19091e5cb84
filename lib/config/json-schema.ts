import { z } from "zod";
import { configFileSchema } from "./schema.ts";

/** JSON Schema (draft 2020-12) of a config file, for editors. */
export function configJsonSchema(): object {
  return z.toJSONSchema(configFileSchema, { io: "input" });
}
