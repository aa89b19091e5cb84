// The files of a checkpoint folder besides its weights: what from_pretrained and a processor need.
import { copyFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isJsonObject } from "./json-file.ts";
import type { JsonObject } from "./json-file.ts";
import type { WeightDtype } from "./model-config.ts";

const sideFiles = [
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "vocab.json",
  "merges.txt",
  "added_tokens.json",
  "special_tokens_map.json",
  "chat_template.jinja",
  "chat_template.json",
  "preprocessor_config.json",
  "processor_config.json",
  "video_preprocessor_config.json",
] as const;

/** Whether a file of that name is part of a model folder: weights, configuration, tokenizer, processor. */
export function isModelFile(name: string): boolean {
  return (
    (sideFiles as readonly string[]).includes(name) ||
    /^(?:config\.json|model\.safetensors\.index\.json|model[^/]*\.safetensors)$/u.test(name)
  );
}

/** Copies the known side files that `fromDir` has to `toDir`. @throws the system's error when one cannot be copied */
export async function copySideFiles(fromDir: string, toDir: string): Promise<void> {
  for (const file of sideFiles) {
    const isThere = await stat(join(fromDir, file)).then(
      () => true,
      () => false,
    );
    if (isThere) await copyFile(join(fromDir, file), join(toDir, file));
  }
}

/** Writes config.json for weights of `dtype`. @param raw the parsed config.json that the weights came with */
export async function writeConfig(dir: string, raw: JsonObject, dtype: WeightDtype): Promise<void> {
  await writeFile(join(dir, "config.json"), `${JSON.stringify(withDtype(raw, dtype), null, 2)}\n`);
}

/** Every dtype that the configuration names, at any level, set to `dtype`; one is added when it names none. */
function withDtype(raw: JsonObject, dtype: WeightDtype): JsonObject {
  const key = "torch_dtype" in raw ? "torch_dtype" : "dtype";
  return { ...replaceDtype(raw, dtype), [key]: dtype };
}

function replaceDtype(raw: JsonObject, dtype: WeightDtype): JsonObject {
  return Object.fromEntries(
    Object.entries(raw).map(([key, value]) => {
      if (key === "dtype" || key === "torch_dtype") return [key, dtype];
      return [key, isJsonObject(value) ? replaceDtype(value, dtype) : value];
    }),
  );
}
