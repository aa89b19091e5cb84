// A DINOv2 checkpoint folder of Hugging Face (facebook/dinov2-small, -base, -large, -giant and their variants with
// registers) as the numbers that the model is built from. Owns which of them work and how they want pictures.
import { CheckpointError } from "../errors.ts";
import type { Dinov2Config } from "../native/binding.ts";
import { ConfigFields, type Range } from "../policy/config-fields.ts";
import { readJsonObject } from "../policy/json-file.ts";
import { channels } from "../processor/image-size.ts";

const maxConfigBytes = 4_000_000;
const sizeRange: Range = { min: 1, max: 1 << 14 };
const countRange: Range = { min: 1, max: 256 };
const pixelRange: Range = { min: 1, max: 4096 };
/** Statistics of ImageNet, which DINOv2 was trained with. */
const imagenetMean = [0.485, 0.456, 0.406] as const;
const imagenetStd = [0.229, 0.224, 0.225] as const;
const modelTypes = ["dinov2", "dinov2_with_registers"];

/**
 * @throws {CheckpointError} naming the file, the key, the rule and what came; for a foreign model, which ones work
 */
export async function readDinov2Config(dir: string): Promise<Dinov2Config> {
  const raw = await readJsonObject(dir, "config.json", maxConfigBytes);
  if (!raw) throw new CheckpointError(dir, "config.json: not there; expected a DINOv2 checkpoint folder");
  const processor = await readJsonObject(dir, "preprocessor_config.json", maxConfigBytes);
  if (!processor)
    throw new CheckpointError(dir, "preprocessor_config.json: not there; expected how DINOv2 wants pictures");
  return {
    ...modelSizes(new ConfigFields(dir, "config.json", raw)),
    input: inputOf(new ConfigFields(dir, "preprocessor_config.json", processor)),
  };
}

function modelSizes(fields: ConfigFields): Omit<Dinov2Config, "input"> {
  const modelType = fields.find(["model_type"])?.value;
  if (typeof modelType !== "string" || !modelTypes.includes(modelType))
    fields.fail("model_type", `expected ${modelTypes.join(" or ")}: saliency is DINOv2's attention`, modelType);
  fields.oneOf(["hidden_act"], ["gelu"], "gelu");
  fields.integer(["num_channels"], { min: 3, max: 3 }, 3);
  // Fallbacks are transformers' class defaults, because some of its versions save only what differs from them.
  const hiddenSize = fields.integer(["hidden_size"], sizeRange, 768);
  const numHeads = fields.integer(["num_attention_heads"], countRange, 12);
  if (hiddenSize % numHeads !== 0)
    fields.fail("num_attention_heads", `expected a divisor of hidden_size ${hiddenSize}`, numHeads);
  const patchSize = fields.integer(["patch_size"], countRange, 14);
  const imageSize = fields.integer(["image_size"], { min: patchSize, max: pixelRange.max }, 224);
  const swiglu = fields.boolean(["use_swiglu_ffn"], false);
  const inner = Math.trunc(hiddenSize * fields.number(["mlp_ratio"], { min: 0.1, max: 64 }, 4));
  return {
    kind: "dinov2",
    ...{ hiddenSize, numHeads, patchSize, swiglu },
    // transformers, Dinov2SwiGLUFFN: two thirds, to the next multiple of 8.
    intermediateSize: swiglu ? Math.ceil(Math.trunc((inner * 2) / 3) / 8) * 8 : inner,
    numLayers: fields.integer(["num_hidden_layers"], countRange, 12),
    numRegisters: modelType === "dinov2" ? 0 : fields.integer(["num_register_tokens"], countRange, 4),
    positionSide: Math.floor(imageSize / patchSize),
    qkvBias: fields.boolean(["qkv_bias"], true),
    normEps: fields.number(["layer_norm_eps"], { min: 1e-12, max: 1e-2 }, 1e-6),
  };
}

function inputOf(fields: ConfigFields): Dinov2Config["input"] {
  for (const step of ["do_resize", "do_rescale", "do_normalize"])
    if (!fields.boolean([step], true)) fields.fail(step, "expected true, as for every DINOv2", false);
  const resample = fields.integer(["resample"], { min: 0, max: 5 }, 3);
  if (resample !== 3) fields.fail("resample", "expected 3 (bicubic)", resample);
  return {
    ...inputSize(fields),
    mean: channels(fields, "image_mean", imagenetMean, Number.NEGATIVE_INFINITY),
    std: channels(fields, "image_std", imagenetStd, 0),
    rescale: fields.number(["rescale_factor"], { min: Number.MIN_VALUE, max: 1 }, 1 / 255),
  };
}

/** `size` as a shortest edge (a plain number in old files), or as both sides; what is cropped of it has no part here. */
function inputSize(fields: ConfigFields): Pick<Dinov2Config["input"], "shortestEdge" | "height" | "width"> {
  if (!fields.find(["size.height"])) {
    const isNumber = typeof fields.find(["size"])?.value === "number";
    return { shortestEdge: fields.integer([isNumber ? "size" : "size.shortest_edge"], pixelRange, 256) };
  }
  return { height: fields.integer(["size.height"], pixelRange), width: fields.integer(["size.width"], pixelRange) };
}
