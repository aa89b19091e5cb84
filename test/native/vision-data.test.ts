// Real pictures against Pillow and transformers: resized bytes exactly, values to 5e-7, the published patch masks.
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { decodeImage } from "../../lib/data/image.ts";
import type { ImageSpec, RgbPicture } from "../../lib/native/binding.ts";
import { loadNative } from "../../lib/native/load.ts";
import { dataRows, pictureRows, withKeys } from "../support/data.ts";

const native = loadNative();
const spec: ImageSpec = {
  patchSize: 14,
  temporalPatchSize: 2,
  mergeSize: 2,
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
  rescale: 1 / 255,
  minPixels: 1,
  maxPixels: 1,
  trainerMinPixels: 0,
  trainerMaxPixels: 0,
  resample: "pillow",
};

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

const decode = (path: string): Promise<RgbPicture> => decodeImage({ path }, { file: "vision", row: undefined });

test("bicubic resizing equals Pillow's to the bit", async () => {
  let count = 0;
  for (const { row, path } of pictureRows("vision", "resized pictures", withKeys("resize", "rgb_sha256"))) {
    const { rgb, width, height } = await decode(path);
    expect([row.image, [width, height], sha256(rgb)]).toEqual([row.image, row.size, row.rgb_sha256]);
    const resizes = row.resize as { filter: string; to: [number, number]; sha256: string }[];
    for (const { to, sha256: want } of resizes.filter(({ filter }) => filter === "BICUBIC")) {
      const size = { height, width, toHeight: to[1], toWidth: to[0] };
      expect([row.image, to, sha256(await native.resizeRgb(rgb, size, "pillow"))]).toEqual([row.image, to, want]);
      count += 1;
    }
  }
  console.log(`${count} bicubic resizes compared`);
});

test.each([
  // Pillow 12.3's Image.resize(BICUBIC) of the picture below: it shortens very tall pictures before widening them.
  [3, 423, 28, 336, "1e88cba558fc1ba74a1bf1ed04ecf4494a9c37c443405838cfda638a6f907c24"],
  [3, 300, 28, 336, "41900284d7084ddeeb0efd60d478b61823301c5ce546bc39fcd7d6dd1116a920"],
  [3, 423, 28, 500, "414e7680a1b7243e68f148c49fe6b9c7df13a54b6c35315c6076258005680bad"],
  [4, 400, 28, 336, "b6da32c1f370fdbf1f7b82ac078a7928c6658aa584ce37d567f8d639e6f666d0"],
])("a %i x %i picture becomes Pillow's %i x %i one to the bit", async (width, height, toWidth, toHeight, want) => {
  const rgb = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * i * 31 + i * 7) % 251);
  expect(sha256(await native.resizeRgb(rgb, { width, height, toWidth, toHeight }, "pillow"))).toBe(want);
});

test("smart_resize gives transformers' sizes", () => {
  const isPlan = withKeys("factor", "min_pixels", "max_pixels", "height", "width", "out");
  for (const row of dataRows("vision", "smart_resize sizes", isPlan)) {
    const patchSize = Number(row.factor) / 2;
    const [minPixels, maxPixels] = [Number(row.min_pixels), Number(row.max_pixels)];
    const plan = () =>
      native.imagePlan(Number(row.height), Number(row.width), { ...spec, patchSize, minPixels, maxPixels });
    if (Array.isArray(row.out)) expect([plan().resizedHeight, plan().resizedWidth]).toEqual(row.out);
    else expect(plan).toThrow("expected an aspect ratio of at most 200");
  }
});

test("whole preprocessing gives the PIL processor's bytes and values", async () => {
  let worst = 0;
  const isWhole = withKeys("pixel_values_6x6", "resized_rgb_sha256");
  for (const { row, path } of pictureRows("vision", "preprocessed pictures", isWhole)) {
    const { rgb, width, height } = await decode(path);
    const limits = { minPixels: Number(row.min_pixels), maxPixels: Number(row.max_pixels) };
    const image = native.createImage(rgb, height, width, { ...spec, ...limits });
    const info = native.imageInfo(image);
    expect([info.resizedWidth, info.resizedHeight]).toEqual(row.resized);
    expect(info.gridThw).toEqual(row.grid_thw);
    expect([row.image, sha256(await native.resizedRgb(image))]).toEqual([row.image, row.resized_rgb_sha256]);
    const values = await native.pixelValues(image, null);
    const [, numFeatures = 0] = row.pixel_values_shape as number[];
    const corner = (row.pixel_values_6x6 as number[][]).flatMap((line, patch) =>
      line.map((want, at) => [want, values[patch * numFeatures + at] ?? Number.NaN] as const),
    );
    const tail = (row.pixel_values_last6 as number[]).map(
      (want, at) => [want, values[values.length - 6 + at] ?? Number.NaN] as const,
    );
    // The reference values are written with six decimals.
    for (const [want, got] of [...corner, ...tail]) worst = Math.max(worst, Math.abs(want - got));
    native.dispose(image);
  }
  console.log(`largest difference of a value: ${worst}`);
  expect(worst).toBeLessThanOrEqual(5e-7 + 1e-12);
});

test("the published patch masks blacken the published pixels", async () => {
  const isMasked = withKeys("black", "patch_size", "rgb_sha256");
  for (const { row, path } of pictureRows("algos", "published masks", isMasked)) {
    const { rgb, width, height } = await decode(path);
    const cells = Uint8Array.from(String(row.black), Number);
    const masked = native.applyCells(rgb, height, width, Number(row.patch_size), cells);
    expect([row.image, sha256(masked)]).toEqual([row.image, row.rgb_sha256]);
  }
});
