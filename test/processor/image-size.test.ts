import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadNative } from "../../lib/native/load.ts";
import { numImageTokens, readImageSpec } from "../../lib/processor/image-size.ts";
import { tempFolder } from "../support/temp.ts";

const settings = { trainerMinPixels: 0, trainerMaxPixels: 0 };

function specOf(content: object, file = "preprocessor_config.json") {
  const folder = tempFolder();
  writeFileSync(join(folder, file), JSON.stringify(content));
  return readImageSpec(folder, settings);
}

test("an empty file gives transformers' defaults", async () => {
  expect(await specOf({})).toEqual({
    patchSize: 14,
    temporalPatchSize: 2,
    mergeSize: 2,
    mean: [0.48145466, 0.4578275, 0.40821073],
    std: [0.26862954, 0.26130258, 0.27577711],
    rescale: 1 / 255,
    minPixels: 3136,
    maxPixels: 1_003_520,
    trainerMinPixels: 0,
    trainerMaxPixels: 0,
    resample: "torchvision",
  });
});

test("both spellings of the limits are read, and min_pixels overrides size", async () => {
  const size = { shortest_edge: 4000, longest_edge: 5000 };
  expect(await specOf({ size })).toMatchObject({ minPixels: 4000, maxPixels: 5000 });
  expect(await specOf({ size, min_pixels: 100, max_pixels: null })).toMatchObject({ minPixels: 100, maxPixels: 5000 });
});

test("processor_config.json's image_processor stands in", async () => {
  const nested = { image_processor: { patch_size: 16, image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.4, 0.3] } };
  const want = { patchSize: 16, mean: [0.5, 0.5, 0.5], std: [0.5, 0.4, 0.3] };
  expect(await specOf(nested, "processor_config.json")).toMatchObject(want);
});

test.each<[object, string]>([
  [{ do_resize: false }, "preprocessor_config.json: do_resize: expected true"],
  [{ resample: 2 }, "resample: expected 3 (bicubic), got 2"],
  [{ min_pixels: 9, max_pixels: 8 }, "min_pixels: expected at most max_pixels (8), got 9"],
  [{ patch_size: 0 }, "patch_size: expected"],
  [{ image_std: [1, 0, 1] }, "image_std: expected three numbers"],
  [{ image_mean: "grey" }, "image_mean: expected three numbers"],
  [{ rescale_factor: 0 }, "rescale_factor: expected a number"],
])("%j is refused by name", async (content, text) => {
  await expect(specOf(content)).rejects.toThrow(text);
  await expect(specOf(content)).rejects.toMatchObject({ name: "CheckpointError" });
});

test("no file at all is a CheckpointError", async () => {
  await expect(specOf({}, "other.json")).rejects.toThrow("preprocessor_config.json: not there");
});

test("a picture becomes one token a merged patch", async () => {
  const spec = await specOf({});
  // 280 x 420 px: 20 x 30 patches, 10 x 15 tokens
  expect(numImageTokens(loadNative().imagePlan(280, 420, spec), spec)).toBe(150);
});
