// A checkpoint's config.json as the numbers that the model is built from. Owns: which Qwen2.5-VL configurations work,
// in all shapes that the hub has (flat as published, nested as newer transformers versions write it). The shapes of
// the single tensors belong to the native model.
import { stat } from "node:fs/promises";
import { CheckpointError } from "../errors.ts";
import { ConfigFields } from "./config-fields.ts";
import type { Range } from "./config-fields.ts";
import { readJsonObject } from "./json-file.ts";
import type { JsonObject } from "./json-file.ts";

export interface TextConfig {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly numLayers: number;
  readonly numHeads: number;
  /** Divides numHeads. */
  readonly numKvHeads: number;
  /** hiddenSize / numHeads, even. */
  readonly headSize: number;
  readonly vocabSize: number;
  readonly rmsNormEps: number;
  readonly ropeTheta: number;
  /** Rotary frequencies that follow the time, height and width position; they sum to headSize / 2. */
  readonly mropeSection: readonly [number, number, number];
  readonly tieWordEmbeddings: boolean;
}

export interface VisionConfig {
  readonly depth: number;
  readonly hiddenSize: number;
  /** hiddenSize / numHeads is a multiple of 4. */
  readonly numHeads: number;
  readonly intermediateSize: number;
  /** The text model's hidden size. */
  readonly outHiddenSize: number;
  /** Pixels. */
  readonly patchSize: number;
  /** Frames. */
  readonly temporalPatchSize: number;
  /** Patches merged per axis. */
  readonly spatialMergeSize: number;
  /** Pixels, a multiple of patchSize * spatialMergeSize. */
  readonly windowSize: number;
  /** Blocks with full instead of window attention, each in [0, depth). */
  readonly fullattBlockIndexes: readonly number[];
  readonly inChannels: number;
  /** Temporal position ids per second of video. */
  readonly tokensPerSecond: number;
}

export type WeightDtype = "float32" | "bfloat16" | "float16";

export interface ModelConfig {
  readonly text: TextConfig;
  readonly vision: VisionConfig;
  readonly imageTokenId: number;
  readonly videoTokenId: number;
  readonly visionStartTokenId: number;
  readonly visionEndTokenId: number;
  readonly bosTokenId: number | undefined;
  /** Of config.json and generation_config.json, each once. */
  readonly eosTokenIds: readonly number[];
  /** What the weights were saved as, by the file's own word; float32 when it says nothing, as transformers has it. */
  readonly dtype: WeightDtype;
  /** The parsed config.json. */
  readonly raw: JsonObject;
}

const configMaxBytes = 4_000_000;
const sizeRange: Range = { min: 1, max: 1 << 17 };
const countRange: Range = { min: 1, max: 1024 };
const vocabRange: Range = { min: 2, max: 1 << 22 };

/**
 * Reads and checks `config.json` (and the end tokens of `generation_config.json`) of a checkpoint folder.
 * @throws {CheckpointError} naming the key, the rule and what came; for a foreign model, which ones work
 */
export async function readModelConfig(dir: string): Promise<ModelConfig> {
  const info = await stat(dir).catch(() => undefined);
  if (!info?.isDirectory()) throw new CheckpointError(dir, "no such folder; expected a Qwen2.5-VL checkpoint folder");
  const raw = await readJsonObject(dir, "config.json", configMaxBytes);
  if (raw === undefined)
    throw new CheckpointError(dir, "config.json: not there; expected a Qwen2.5-VL checkpoint folder");
  const generation = await readJsonObject(dir, "generation_config.json", configMaxBytes);
  return parseModelConfig(dir, raw, generation ?? {});
}

/** As readModelConfig, of parsed files; `dir` is for messages only. */
export function parseModelConfig(dir: string, raw: JsonObject, generation: JsonObject): ModelConfig {
  const fields = new ConfigFields(dir, "config.json", raw);
  checkSupported(fields);
  const text = textConfig(fields);
  const vision = visionConfig(fields, text.hiddenSize);
  const idRange: Range = { min: 0, max: text.vocabSize - 1 };
  const eosPaths = ["eos_token_id", "text_config.eos_token_id"];
  const bos = inText("bos_token_id");
  return {
    text,
    vision,
    // Fallbacks: the ids of every published Qwen2.5-VL, which transformers' class has as defaults.
    imageTokenId: fields.integer(["image_token_id"], idRange, 151655),
    videoTokenId: fields.integer(["video_token_id"], idRange, 151656),
    visionStartTokenId: fields.integer(["vision_start_token_id"], idRange, 151652),
    visionEndTokenId: fields.integer(["vision_end_token_id"], idRange, 151653),
    bosTokenId: fields.find(bos) ? fields.integer(bos, idRange) : undefined,
    eosTokenIds: [
      ...new Set([
        ...tokenIds(new ConfigFields(dir, "generation_config.json", generation), ["eos_token_id"], idRange),
        ...tokenIds(fields, eosPaths, idRange),
      ]),
    ],
    dtype: fields.oneOf(
      ["dtype", "torch_dtype", "text_config.dtype", "text_config.torch_dtype"],
      ["float32", "bfloat16", "float16"],
      "float32",
    ),
    raw,
  };
}

/** The text model's fields: of their own object in the nested shape, at the top level in the flat one. */
function inText(...keys: string[]): string[] {
  return [...keys.map((key) => `text_config.${key}`), ...keys];
}

function inVision(...keys: string[]): string[] {
  return keys.map((key) => `vision_config.${key}`);
}

function checkSupported(fields: ConfigFields): void {
  const modelType = fields.find(["model_type"])?.value;
  if (modelType !== "qwen2_5_vl") {
    fields.fail(
      "model_type",
      'expected "qwen2_5_vl": papo trains Qwen2.5-VL (3B, 7B, 32B, 72B and their fine-tunes)',
      modelType,
    );
  }
  const quantization = fields.find(["quantization_config"]);
  if (quantization)
    fields.fail("quantization_config", "quantized weights cannot be trained; expected none", quantization.value);
  fields.oneOf(inText("hidden_act"), ["silu"], "silu");
  fields.oneOf(inVision("hidden_act"), ["silu"], "silu");
  if (fields.boolean(inText("use_sliding_window"), false)) {
    fields.fail("use_sliding_window", "sliding-window attention is not supported; expected false", true);
  }
  const layerTypes = fields.find(inText("layer_types"));
  if (layerTypes && !(Array.isArray(layerTypes.value) && layerTypes.value.every((type) => type === "full_attention"))) {
    fields.fail(layerTypes.path, 'expected only "full_attention"', layerTypes.value);
  }
  fields.oneOf(ropePaths("rope_type", "type"), ["default", "mrope"], "default");
  fields.oneOf(inVision("rope_parameters.rope_type"), ["default", "axial"], "default");
  fields.number(inVision("rope_parameters.rope_theta"), { min: 10_000, max: 10_000 }, 10_000);
}

function ropePaths(...keys: string[]): string[] {
  return inText(...keys.flatMap((key) => [`rope_parameters.${key}`, `rope_scaling.${key}`]));
}

function textConfig(fields: ConfigFields): TextConfig {
  const hiddenSize = fields.integer(inText("hidden_size"), sizeRange);
  const numHeads = fields.integer(inText("num_attention_heads"), countRange);
  const numKvHeads = fields.integer(inText("num_key_value_heads"), countRange);
  const headSize = hiddenSize / numHeads;
  if (headSize % 2 !== 0)
    fields.fail("num_attention_heads", `expected hidden_size ${hiddenSize} to be an even multiple of it`, numHeads);
  if (numHeads % numKvHeads !== 0)
    fields.fail("num_key_value_heads", `expected a divisor of num_attention_heads ${numHeads}`, numKvHeads);
  fields.integer(inText("head_dim"), { min: headSize, max: headSize }, headSize);
  const section = fields.integers(ropePaths("mrope_section"), { min: 0, max: headSize / 2 });
  const [time, height, width] = section;
  if (
    time === undefined ||
    height === undefined ||
    width === undefined ||
    section.length !== 3 ||
    time + height + width !== headSize / 2
  ) {
    return fields.fail(
      "mrope_section",
      `expected three counts with the sum ${headSize / 2} (half of the head size)`,
      section,
    );
  }
  return {
    hiddenSize,
    intermediateSize: fields.integer(inText("intermediate_size"), { min: 1, max: 1 << 20 }),
    numLayers: fields.integer(inText("num_hidden_layers"), countRange),
    numHeads,
    numKvHeads,
    headSize,
    vocabSize: fields.integer(inText("vocab_size"), vocabRange),
    rmsNormEps: fields.number(inText("rms_norm_eps"), { min: 1e-12, max: 1e-2 }, 1e-5),
    ropeTheta: fields.number([...ropePaths("rope_theta"), ...inText("rope_theta")], { min: 1, max: 1e12 }, 1e6),
    mropeSection: [time, height, width],
    // Versions of transformers differ in the level; the newest takes either.
    tieWordEmbeddings: inText("tie_word_embeddings").some((path) => fields.boolean([path], false)),
  };
}

/** Fallbacks are transformers' class defaults, because some of its versions save only what differs from them. */
function visionConfig(fields: ConfigFields, textHiddenSize: number): VisionConfig {
  const depth = fields.integer(inVision("depth"), countRange, 32);
  const hiddenSize = fields.integer(inVision("hidden_size"), sizeRange, 3584);
  const numHeads = fields.integer(inVision("num_heads"), countRange, 16);
  // The two-dimensional rotary embedding splits a head into pairs for the row and pairs for the column.
  if (hiddenSize % (4 * numHeads) !== 0) {
    fields.fail(
      "vision_config.num_heads",
      `expected vision_config.hidden_size ${hiddenSize} to be a multiple of 4 times it`,
      numHeads,
    );
  }
  const patchSize = fields.integer(inVision("patch_size"), countRange, 14);
  const spatialMergeSize = fields.integer(inVision("spatial_merge_size"), { min: 1, max: 16 }, 2);
  const windowSize = fields.integer(inVision("window_size"), sizeRange, 112);
  if (windowSize % (patchSize * spatialMergeSize) !== 0) {
    fields.fail(
      "vision_config.window_size",
      `expected a multiple of ${patchSize * spatialMergeSize} px (a merged patch)`,
      windowSize,
    );
  }
  return {
    depth,
    hiddenSize,
    numHeads,
    intermediateSize: fields.integer(inVision("intermediate_size"), { min: 1, max: 1 << 20 }, 3420),
    outHiddenSize: fields.integer(inVision("out_hidden_size"), { min: textHiddenSize, max: textHiddenSize }, 3584),
    patchSize,
    temporalPatchSize: fields.integer(inVision("temporal_patch_size"), { min: 1, max: 16 }, 2),
    spatialMergeSize,
    windowSize,
    fullattBlockIndexes: fields.integers(
      inVision("fullatt_block_indexes"),
      { min: 0, max: depth - 1 },
      [7, 15, 23, 31],
    ),
    inChannels: fields.integer(inVision("in_channels", "in_chans"), { min: 3, max: 3 }, 3),
    tokensPerSecond: fields.number(inVision("tokens_per_second"), { min: 1e-3, max: 1e3 }, 4),
  };
}

function tokenIds(fields: ConfigFields, paths: readonly string[], range: Range): number[] {
  const found = fields.find(paths);
  if (!found) return [];
  return Array.isArray(found.value) ? fields.integers(paths, range) : [fields.integer(paths, range)];
}
