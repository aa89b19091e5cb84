// The tiny Qwen2.5-VL as an ordinary checkpoint folder: configuration, tokenizer and seeded initial weights. It owns
// sizes and initialisation; training it is `papo sft`'s work.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { RandomStream } from "./random.ts";
import { cellPixels } from "./sheet.ts";
import { tinyChatTemplate, tinyTokenizer, tinyTokenizerConfig, tinyVocabularySize, tokenId } from "./tokenizer.ts";

const hidden = 128;
const numLayers = 4;
const numHeads = 4;
const numKeyValueHeads = 2;
const headSize = hidden / numHeads;
const intermediate = 384;
const patchPixels = 14;
const vision = { hidden: 96, depth: 4, numHeads: 4, intermediate: 192 };

/** Content of config.json, in the flat shape that every transformers since 4.49 reads. */
export function tinyConfig(): Record<string, unknown> {
  return {
    architectures: ["Qwen2_5_VLForConditionalGeneration"],
    model_type: "qwen2_5_vl",
    torch_dtype: "float32",
    attention_dropout: 0,
    bos_token_id: tokenId("<|endoftext|>"),
    eos_token_id: tokenId("<|im_end|>"),
    vision_start_token_id: tokenId("<|vision_start|>"),
    vision_end_token_id: tokenId("<|vision_end|>"),
    vision_token_id: tokenId("<|image_pad|>"),
    image_token_id: tokenId("<|image_pad|>"),
    video_token_id: tokenId("<|video_pad|>"),
    hidden_act: "silu",
    hidden_size: hidden,
    initializer_range: 0.02,
    intermediate_size: intermediate,
    max_position_embeddings: 1024,
    max_window_layers: numLayers,
    num_attention_heads: numHeads,
    num_hidden_layers: numLayers,
    num_key_value_heads: numKeyValueHeads,
    rms_norm_eps: 1e-6,
    // Rows and columns turn with the slower frequencies. Over three cells the hub's base of 1e6 would leave columns
    // 2e-4 rad apart, the same place to the model; with 10 the slowest turns 0.12 rad a cell.
    rope_theta: 10,
    rope_scaling: { type: "mrope", mrope_section: [4, 6, 6] },
    sliding_window: 1024,
    use_sliding_window: false,
    tie_word_embeddings: true,
    use_cache: true,
    vocab_size: tinyVocabularySize,
    vision_config: {
      model_type: "qwen2_5_vl",
      depth: vision.depth,
      hidden_act: "silu",
      hidden_size: vision.hidden,
      in_chans: 3,
      in_channels: 3,
      intermediate_size: vision.intermediate,
      num_heads: vision.numHeads,
      out_hidden_size: hidden,
      patch_size: patchPixels,
      spatial_merge_size: 2,
      spatial_patch_size: patchPixels,
      temporal_patch_size: 2,
      tokens_per_second: 2,
      // A window is one digit, so that three blocks in four read digits and the last may look around.
      window_size: cellPixels,
      fullatt_block_indexes: [vision.depth - 1],
    },
  };
}

/** One weight: its shape under the hub's name, and the standard deviation it starts with (0: all `fill`). */
export interface TinyWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly std: number;
  readonly fill: number;
}

/** Every weight of the tiny model, about 1.5 million numbers. */
export function tinyWeights(): TinyWeight[] {
  const keyValueSize = numKeyValueHeads * headSize;
  const mergedSize = 4 * vision.hidden;
  const patchSize = 3 * 2 * patchPixels * patchPixels;
  return [
    { name: "model.embed_tokens.weight", shape: [tinyVocabularySize, hidden], std: embeddingStd, fill: 0 },
    ...range(numLayers).flatMap((layer) => {
      const at = `model.layers.${layer}`;
      return [
        norm(`${at}.input_layernorm`, hidden),
        ...linear(`${at}.self_attn.q_proj`, [hidden, hidden], { bias: true }),
        ...linear(`${at}.self_attn.k_proj`, [keyValueSize, hidden], { bias: true }),
        ...linear(`${at}.self_attn.v_proj`, [keyValueSize, hidden], { bias: true }),
        ...linear(`${at}.self_attn.o_proj`, [hidden, hidden], { gain: 1 / Math.sqrt(2 * numLayers) }),
        norm(`${at}.post_attention_layernorm`, hidden),
        ...linear(`${at}.mlp.gate_proj`, [intermediate, hidden]),
        ...linear(`${at}.mlp.up_proj`, [intermediate, hidden]),
        ...linear(`${at}.mlp.down_proj`, [hidden, intermediate], { gain: 1 / Math.sqrt(2 * numLayers) }),
      ];
    }),
    norm("model.norm", hidden),
    { name: "visual.patch_embed.proj.weight", shape: [vision.hidden, 3, 2, 14, 14], std: patchSize ** -0.5, fill: 0 },
    ...range(vision.depth).flatMap((block) => {
      const at = `visual.blocks.${block}`;
      const gain = 1 / Math.sqrt(2 * vision.depth);
      return [
        norm(`${at}.norm1`, vision.hidden),
        ...linear(`${at}.attn.qkv`, [3 * vision.hidden, vision.hidden], { bias: true }),
        ...linear(`${at}.attn.proj`, [vision.hidden, vision.hidden], { bias: true, gain }),
        norm(`${at}.norm2`, vision.hidden),
        ...linear(`${at}.mlp.gate_proj`, [vision.intermediate, vision.hidden], { bias: true }),
        ...linear(`${at}.mlp.up_proj`, [vision.intermediate, vision.hidden], { bias: true }),
        ...linear(`${at}.mlp.down_proj`, [vision.hidden, vision.intermediate], { bias: true, gain }),
      ];
    }),
    norm("visual.merger.ln_q", vision.hidden),
    ...linear("visual.merger.mlp.0", [mergedSize, mergedSize], { bias: true }),
    ...linear("visual.merger.mlp.2", [hidden, mergedSize], { bias: true }),
  ];
}

/** Tied to the head: logits start with a standard deviation of about embeddingStd * sqrt(hidden). */
const embeddingStd = 1 / Math.sqrt(hidden);

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

function norm(name: string, size: number): TinyWeight {
  return { name: `${name}.weight`, shape: [size], std: 0, fill: 1 };
}

/**
 * Weights scaled to keep the variance (std = gain / sqrt(inputs)): at these widths transformers' 0.02 starts every
 * branch four times too quiet. Branches that end in the residual stream share it (gain = 1 / sqrt(branches)).
 */
function linear(
  name: string,
  [outputs, inputs]: readonly [number, number],
  { bias = false, gain = 1 }: { bias?: boolean; gain?: number } = {},
): TinyWeight[] {
  const weight = { name: `${name}.weight`, shape: [outputs, inputs], std: gain / Math.sqrt(inputs), fill: 0 };
  return bias ? [weight, { name: `${name}.bias`, shape: [outputs], std: 0, fill: 0 }] : [weight];
}

/** The initial weights as a safetensors file in float32; each number is a function of (seed, weight's name, place). */
export function tinySafetensors(seed: number): Uint8Array {
  const weights = tinyWeights().map((weight) => ({ ...weight, size: weight.shape.reduce((a, b) => a * b, 1) }));
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  let end = 0;
  for (const { name, shape, size } of weights) {
    header[name] = { dtype: "F32", shape, data_offsets: [end, (end += 4 * size)] };
  }
  const text = Buffer.from(JSON.stringify(header));
  const padded = Buffer.concat([text, Buffer.alloc((8 - (text.length % 8)) % 8, " ")]);
  const file = Buffer.alloc(8 + padded.length + end);
  file.writeBigUInt64LE(BigInt(padded.length));
  padded.copy(file, 8);
  let at = 8 + padded.length;
  for (const { name, std, fill, size } of weights) {
    const random = new RandomStream("weight", seed, name);
    for (let index = 0; index < size; index++) {
      at = file.writeFloatLE(std === 0 ? fill : std * random.normal(), at);
    }
  }
  return file;
}

/** Writes the untrained tiny model: config, generation, picture and tokenizer settings, weights (6 MB). */
export async function writeTinyModel(dir: string, seed: number): Promise<void> {
  await mkdir(dir, { recursive: true });
  const files: Record<string, unknown> = {
    "config.json": tinyConfig(),
    "generation_config.json": {
      bos_token_id: tokenId("<|endoftext|>"),
      eos_token_id: [tokenId("<|im_end|>"), tokenId("<|endoftext|>")],
      pad_token_id: tokenId("<|endoftext|>"),
    },
    // min_pixels is one cell: a grid is never enlarged, so that each digit stays one image token.
    "preprocessor_config.json": {
      image_processor_type: "Qwen2VLImageProcessor",
      processor_class: "Qwen2_5_VLProcessor",
      patch_size: patchPixels,
      temporal_patch_size: 2,
      merge_size: 2,
      min_pixels: cellPixels * cellPixels,
      max_pixels: 1280 * cellPixels * cellPixels,
      image_mean: [0.48145466, 0.4578275, 0.40821073],
      image_std: [0.26862954, 0.26130258, 0.27577711],
    },
    "tokenizer.json": tinyTokenizer(),
    "tokenizer_config.json": tinyTokenizerConfig(),
  };
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(dir, name), `${JSON.stringify(content, undefined, 1)}\n`);
  }
  // transformers' AutoProcessor looks for the template here, its AutoTokenizer in tokenizer_config.json.
  await writeFile(join(dir, "chat_template.jinja"), tinyChatTemplate);
  await writeFile(join(dir, "model.safetensors"), tinySafetensors(seed));
}
