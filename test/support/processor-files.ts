// Checkpoint folders without weights: what the processor reads, with the tiny byte tokenizer or Qwen's real one.
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tinyConfig } from "../../lib/miniature/model.ts";
import { tinyTokenizer, tinyTokenizerConfig } from "../../lib/miniature/tokenizer.ts";
import { packageRoot } from "../../lib/native/load.ts";

/** Holds tokenizer.json and tokenizer_config.json of Qwen2.5. */
export const qwenTokenizerFolder = join(packageRoot, "node_modules", "@lenml", "tokenizer-qwen2_5", "models");

/** Writes config, preprocessor and tokenizer files of the tiny model; `over` replaces or adds whole files. */
export function writeTinyFiles(folder: string, over: Readonly<Record<string, object>> = {}): void {
  const contents = {
    "config.json": tinyConfig(),
    "preprocessor_config.json": { min_pixels: 3136, max_pixels: 1_003_520 },
    "tokenizer.json": tinyTokenizer(),
    "tokenizer_config.json": tinyTokenizerConfig(),
    ...over,
  };
  for (const [file, content] of Object.entries(contents)) writeFileSync(join(folder, file), JSON.stringify(content));
}

/** The same with Qwen's real tokenizer and token ids. */
export function writeQwenFiles(folder: string): void {
  const ids = {
    image_token_id: 151655,
    video_token_id: 151656,
    vision_start_token_id: 151652,
    vision_end_token_id: 151653,
  };
  const ends = { bos_token_id: 151643, eos_token_id: 151645 };
  const config = { ...tinyConfig(), ...ids, ...ends, vocab_size: 151_936 };
  // Qwen2.5's own tokenizer_config.json has the template of its text-only models.
  const contents = { "config.json": config, "preprocessor_config.json": {}, "tokenizer_config.json": {} };
  for (const [file, content] of Object.entries(contents)) writeFileSync(join(folder, file), JSON.stringify(content));
  symlinkSync(join(qwenTokenizerFolder, "tokenizer.json"), join(folder, "tokenizer.json"));
}
