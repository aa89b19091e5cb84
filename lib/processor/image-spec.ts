// A checkpoint's preprocessor_config.json as the resize plan of pictures.
import { CheckpointError } from "../errors.ts";
import type { ImageSpec } from "../native/binding.ts";
import { isJsonObject, type JsonObject, readJsonObject } from "../policy/json-file.ts";

const fileName = "preprocessor_config.json";
const maxBytes = 1_000_000;

/** The trainer's own resize before the processor's; 0 = none. */
export interface TrainerPixels {
  readonly minPixels: number;
  readonly maxPixels: number;
}

/**
 * Reads how a checkpoint wants pictures: limits as `min_pixels`/`max_pixels` or `size.shortest_edge`/`longest_edge`.
 * @throws {CheckpointError} when the file is missing or a value is not usable
 */
export async function readImageSpec(dir: string, trainer?: TrainerPixels): Promise<ImageSpec> {
  const file = await readJsonObject(dir, fileName, maxBytes);
  if (!file) throw new CheckpointError(dir, `${fileName} is missing`);
  const size: JsonObject = isJsonObject(file.size) ? file.size : {};
  const number = (key: string, value: unknown, fallback: number): number => {
    if (value === undefined || value === null) return fallback;
    if (typeof value === "number" && value > 0 && Number.isFinite(value)) return value;
    throw new CheckpointError(dir, `${fileName}: ${key}: expected a positive number, got ${JSON.stringify(value)}`);
  };
  return {
    patchSize: number("patch_size", file.patch_size, 14),
    temporalPatchSize: number("temporal_patch_size", file.temporal_patch_size, 2),
    mergeSize: number("merge_size", file.merge_size, 2),
    mean: channels(dir, "image_mean", file.image_mean, [0.48145466, 0.4578275, 0.40821073]),
    std: channels(dir, "image_std", file.image_std, [0.26862954, 0.26130258, 0.27577711]),
    rescale: number("rescale_factor", file.rescale_factor, 1 / 255),
    minPixels: number("min_pixels", file.min_pixels ?? size.shortest_edge, 56 * 56),
    maxPixels: number("max_pixels", file.max_pixels ?? size.longest_edge, 28 * 28 * 1280),
    trainerMinPixels: trainer?.minPixels ?? 0,
    trainerMaxPixels: trainer?.maxPixels ?? 0,
    resample: "torchvision",
  };
}

type Channels = readonly [number, number, number];

function channels(dir: string, key: string, value: unknown, fallback: Channels): Channels {
  if (value === undefined) return fallback;
  if (Array.isArray(value) && value.length === 3 && value.every((item) => Number.isFinite(item))) {
    return value as unknown as Channels;
  }
  throw new CheckpointError(dir, `${fileName}: ${key}: expected three numbers, got ${JSON.stringify(value)}`);
}
