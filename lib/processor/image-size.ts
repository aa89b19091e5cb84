// How a checkpoint's image processor wants pictures, and how many tokens a picture becomes.
import { CheckpointError } from "../errors.ts";
import type { ImageInfo, ImageSpec, Resample } from "../native/binding.ts";
import { ConfigFields } from "../policy/config-fields.ts";
import { isJsonObject, readJsonObject } from "../policy/json-file.ts";
import type { JsonObject } from "../policy/json-file.ts";

export interface ImageSettings {
  /** Area limits of the trainer's own resize, in pixels (`data.minPixels`, `data.maxPixels`); 0 = none. */
  readonly trainerMinPixels: number;
  readonly trainerMaxPixels: number;
  /** Default: torchvision, as transformers' default image processor. */
  readonly resample?: Resample;
}

const maxConfigBytes = 4_000_000;
const areaRange = { min: 1, max: 2 ** 40 };
/** Statistics of CLIP's training pictures, which every Qwen2.5-VL was trained with. */
const clipMean = [0.48145466, 0.4578275, 0.40821073] as const;
const clipStd = [0.26862954, 0.26130258, 0.27577711] as const;

/**
 * The image processor's settings of a checkpoint folder: `preprocessor_config.json`, or `image_processor` in the
 * `processor_config.json` that newer transformers versions write.
 * @throws {CheckpointError} when neither is there, or naming the key, the rule and what came
 */
export async function readImageSpec(dir: string, settings: ImageSettings): Promise<ImageSpec> {
  const own = await readJsonObject(dir, "preprocessor_config.json", maxConfigBytes);
  if (own) return parseImageSpec(dir, "preprocessor_config.json", own, settings);
  const nested = (await readJsonObject(dir, "processor_config.json", maxConfigBytes))?.image_processor;
  if (isJsonObject(nested)) return parseImageSpec(dir, "processor_config.json", nested, settings);
  throw new CheckpointError(
    dir,
    "preprocessor_config.json: not there; expected how its image processor wants pictures",
  );
}

/** The settings of a checkpoint whose file leaves all at transformers' defaults. */
export function defaultImageSpec(settings: ImageSettings): ImageSpec {
  return parseImageSpec("", "defaults", {}, settings);
}

function parseImageSpec(dir: string, file: string, raw: JsonObject, settings: ImageSettings): ImageSpec {
  const fields = new ConfigFields(dir, file, raw);
  for (const step of ["do_resize", "do_rescale", "do_normalize", "do_convert_rgb"])
    if (!fields.boolean([step], true)) fields.fail(step, "expected true, as for every Qwen2.5-VL", false);
  const resample = fields.integer(["resample"], { min: 0, max: 5 }, 3);
  if (resample !== 3) fields.fail("resample", "expected 3 (bicubic)", resample);
  // transformers: min_pixels and max_pixels, where set, override size.
  const minPixels = fields.integer(["min_pixels", "size.shortest_edge"], areaRange, 56 * 56);
  const maxPixels = fields.integer(["max_pixels", "size.longest_edge"], areaRange, 28 * 28 * 1280);
  if (minPixels > maxPixels) fields.fail("min_pixels", `expected at most max_pixels (${maxPixels})`, minPixels);
  const sideRange = { min: 1, max: 256 };
  return {
    patchSize: fields.integer(["patch_size"], sideRange, 14),
    temporalPatchSize: fields.integer(["temporal_patch_size"], { min: 1, max: 8 }, 2),
    mergeSize: fields.integer(["merge_size"], { min: 1, max: 4 }, 2),
    mean: channels(fields, "image_mean", clipMean, Number.NEGATIVE_INFINITY),
    std: channels(fields, "image_std", clipStd, 0),
    rescale: fields.number(["rescale_factor"], { min: Number.MIN_VALUE, max: 1 }, 1 / 255),
    minPixels,
    maxPixels,
    trainerMinPixels: settings.trainerMinPixels,
    trainerMaxPixels: settings.trainerMaxPixels,
    resample: settings.resample ?? "torchvision",
  };
}

/** Three numbers of a processor's file. */
export function channels(
  fields: ConfigFields,
  key: string,
  fallback: readonly [number, number, number],
  above: number,
): readonly [number, number, number] {
  const value = fields.find([key])?.value ?? fallback;
  const numbers: readonly unknown[] = Array.isArray(value) ? value : [];
  const [red, green, blue] = numbers;
  const isChannel = (item: unknown): item is number =>
    typeof item === "number" && Number.isFinite(item) && item > above;
  if (numbers.length === 3 && isChannel(red) && isChannel(green) && isChannel(blue)) return [red, green, blue];
  return fields.fail(key, "expected three numbers, those of image_std over 0", value);
}

/** Image tokens of a picture: its patches, merged. */
export function numImageTokens(info: ImageInfo, spec: ImageSpec): number {
  const [time, rows, cols] = info.gridThw;
  return (time * rows * cols) / spec.mergeSize ** 2;
}
