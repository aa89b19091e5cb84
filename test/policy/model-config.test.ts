import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CheckpointError } from "../../lib/errors.ts";
import { parseModelConfig, readModelConfig } from "../../lib/policy/model-config.ts";
import { dataFolder } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";

/** The published 3B's config.json: flat, `rope_scaling`, a window that is switched off. */
const published3b = {
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
  transformers_version: "4.41.2",
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
const generation3b = { bos_token_id: 151643, pad_token_id: 151643, eos_token_id: [151645, 151643], temperature: 1e-6 };

const topLevel = new Set(["architectures", "model_type", "vision_config", "torch_dtype", "tie_word_embeddings"]);

/** The same model as newer transformers versions write it. */
function nested(flat: Record<string, unknown>): Record<string, unknown> {
  const isTop = (key: string) => topLevel.has(key) || (key.endsWith("_token_id") && !/^[be]os/.test(key));
  const pick = (want: boolean) => Object.entries(flat).filter(([key]) => isTop(key) === want);
  const { rope_scaling: scaling, rope_theta: theta, ...text } = Object.fromEntries(pick(false));
  const { torch_dtype: dtype, ...top } = Object.fromEntries(pick(true));
  const rope = { ...(scaling as object), rope_theta: theta, type: undefined, rope_type: "default" };
  return { ...top, dtype, text_config: { ...text, rope_parameters: rope } };
}

const parse = (raw: Record<string, unknown>) => parseModelConfig("DIR", raw, generation3b);

test("the published flat 3B configuration is read as it stands", () => {
  expect(parse(published3b)).toEqual({
    text: {
      hiddenSize: 2048,
      intermediateSize: 11008,
      numLayers: 36,
      numHeads: 16,
      numKvHeads: 2,
      headSize: 128,
      vocabSize: 151936,
      rmsNormEps: 1e-6,
      ropeTheta: 1e6,
      mropeSection: [16, 24, 24],
      tieWordEmbeddings: true,
    },
    vision: {
      depth: 32,
      hiddenSize: 1280,
      numHeads: 16,
      intermediateSize: 3420,
      outHiddenSize: 2048,
      patchSize: 14,
      temporalPatchSize: 2,
      spatialMergeSize: 2,
      windowSize: 112,
      fullattBlockIndexes: [7, 15, 23, 31],
      inChannels: 3,
      tokensPerSecond: 2,
    },
    imageTokenId: 151655,
    videoTokenId: 151656,
    visionStartTokenId: 151652,
    visionEndTokenId: 151653,
    bosTokenId: 151643,
    eosTokenIds: [151645, 151643],
    dtype: "bfloat16",
    raw: published3b,
  });
});

test("the nested shape of the same model gives the same configuration", () => {
  const raw = nested(published3b);
  expect(raw.hidden_size).toBeUndefined();
  expect(parse(raw)).toEqual({ ...parse(published3b), raw });
});

test("fields that a transformers version leaves out as its defaults are filled in, tied embeddings from either level", () => {
  const raw = nested({ ...published3b, tie_word_embeddings: undefined });
  const text = { ...(raw.text_config as object), tie_word_embeddings: true };
  const config = parse({
    ...raw,
    dtype: null,
    text_config: text,
    vision_config: { hidden_size: 1280, out_hidden_size: 2048 },
  });
  expect(config.text.tieWordEmbeddings).toBe(true);
  expect(parse({ ...raw, tie_word_embeddings: false, text_config: text }).text.tieWordEmbeddings).toBe(true);
  expect(parse(raw).text.tieWordEmbeddings).toBe(false);
  expect(config.dtype).toBe("float32");
  expect(config.vision).toEqual({ ...parse(published3b).vision, tokensPerSecond: 4 });
});

test.each([
  [{ model_type: "qwen2_vl" }, /config.json: model_type: expected "qwen2_5_vl".*3B, 7B.*got "qwen2_vl"/],
  [{ model_type: undefined }, /model_type: expected "qwen2_5_vl".*got nothing/],
  [{ hidden_size: 2049 }, /even multiple/],
  [{ hidden_size: "2048" }, /hidden_size: expected an integer from 1 to 131072, got "2048"/],
  [{ hidden_size: 2 ** 40 }, /hidden_size: expected an integer/],
  [{ hidden_size: undefined }, /text_config.hidden_size: missing/],
  [{ num_hidden_layers: 0 }, /num_hidden_layers: expected an integer from 1/],
  [{ num_key_value_heads: 3 }, /divisor of num_attention_heads 16/],
  [{ num_key_value_heads: undefined }, /num_key_value_heads: missing/],
  [{ head_dim: 64 }, /head_dim: expected an integer from 128 to 128/],
  [{ rope_scaling: { type: "mrope", mrope_section: [16, 24, 25] } }, /sum 64/],
  [{ rope_scaling: { type: "mrope", mrope_section: [32, 32] } }, /three counts/],
  [{ rope_scaling: { type: "mrope" } }, /mrope_section: missing/],
  [{ rope_scaling: { type: "yarn", mrope_section: [16, 24, 24] } }, /supports only default, mrope here, got "yarn"/],
  [{ use_sliding_window: true }, /sliding-window/],
  [{ use_sliding_window: "no" }, /use_sliding_window: expected true or false/],
  [{ layer_types: ["full_attention", "sliding_attention"] }, /layer_types: expected only/],
  [{ hidden_act: "gelu" }, /hidden_act: papo supports only silu/],
  [{ rms_norm_eps: 0 }, /rms_norm_eps: expected a number/],
  [{ torch_dtype: "int8" }, /torch_dtype: papo supports only float32, bfloat16, float16/],
  [{ quantization_config: { bits: 4 } }, /quantized/],
  [{ image_token_id: 151936 }, /image_token_id: expected an integer from 0 to 151935/],
  [{ vision_config: { ...published3b.vision_config, num_heads: 3 } }, /multiple of 4 times/],
  [{ vision_config: { ...published3b.vision_config, out_hidden_size: 3584 } }, /out_hidden_size: .* 2048 to 2048/],
  [{ vision_config: { ...published3b.vision_config, window_size: 100 } }, /multiple of 28 px/],
  [
    { vision_config: { ...published3b.vision_config, fullatt_block_indexes: [32] } },
    /indexes\[0\]: expected .* 0 to 31/,
  ],
  [{ vision_config: { ...published3b.vision_config, fullatt_block_indexes: 7 } }, /expected a list of integers/],
  [{ vision_config: { ...published3b.vision_config, in_chans: 1 } }, /in_chans: expected an integer from 3 to 3/],
])("a configuration with %j is refused by name", (change, text) => {
  expect(() => parse({ ...published3b, ...change })).toThrow(CheckpointError);
  expect(() => parse({ ...published3b, ...change })).toThrow(text);
});

test("end tokens out of range are reported in the file they stand in", () => {
  expect(() => parseModelConfig("DIR", published3b, { eos_token_id: [-1] })).toThrow(
    /generation_config.json: eos_token_id\[0\]: expected an integer from 0 to 151935, got -1/,
  );
});

test("a missing folder, a missing, huge, broken or foreign config.json each give a CheckpointError", async () => {
  const folder = tempFolder();
  await expect(readModelConfig(join(folder, "none"))).rejects.toThrow(/no such folder/);
  await expect(readModelConfig(folder)).rejects.toThrow(/config.json: not there/);
  for (const [text, rule] of [
    ["{", /config.json: .*JSON/],
    ["[1]", /expected a JSON object/],
    ["{}".padEnd(4_000_001), /at most 4000000 bytes/],
  ] as const) {
    writeFileSync(join(folder, "config.json"), text);
    await expect(readModelConfig(folder)).rejects.toThrow(rule);
    await expect(readModelConfig(folder)).rejects.toBeInstanceOf(CheckpointError);
  }
  mkdirSync(join(folder, "generation_config.json"));
  writeFileSync(join(folder, "config.json"), JSON.stringify(published3b));
  await expect(readModelConfig(folder)).rejects.toThrow(/generation_config.json: expected a file/);
});

test("the checkpoints at hand are read", async () => {
  const fixtures = dataFolder("../fixtures");
  if (fixtures === undefined) return;
  for (const name of readdirSync(fixtures)) {
    const dir = join(fixtures, name);
    if (!existsSync(join(dir, "config.json"))) continue;
    const config = await readModelConfig(dir);
    expect(config.text.headSize * config.text.numHeads).toBe(config.text.hiddenSize);
    expect(config.eosTokenIds.length).toBeGreaterThan(0);
  }
});
