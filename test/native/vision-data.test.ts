// Real pictures against Pillow and transformers: resized bytes exactly, values to 5e-7, the published patch masks.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { decodeImage } from "../../lib/data/image.ts";
import type { ImageSpec, RgbPicture } from "../../lib/native/binding.ts";
import { loadNative } from "../../lib/native/load.ts";
import { dataFolder, dataRoot, folderRows } from "../support/data.ts";

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

/** Rows of the folder whose fields include `keys`, in whichever file they are. */
function rowsWith(folderName: string, keys: readonly string[]): Record<string, unknown>[] {
  const folder = dataFolder(folderName);
  if (folder === undefined) return [];
  return folderRows(folder).flatMap(({ row }) => (keys.every((key) => key in row) ? [row] : []));
}

/** The picture of a row, whose path starts at the data root or at the vision folder. */
async function pictureOf(row: Record<string, unknown>): Promise<RgbPicture> {
  const path = [dataRoot, join(dataRoot, "vision")]
    .map((root) => join(root, String(row.image)))
    .find((candidate) => existsSync(candidate));
  return await decodeImage({ path: path ?? String(row.image) }, { file: "vision", row: 1 });
}

test("bicubic resizing equals Pillow's to the bit", async () => {
  let count = 0;
  for (const row of rowsWith("vision", ["image", "resize", "rgb_sha256"])) {
    const { rgb, width, height } = await pictureOf(row);
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

test("smart_resize gives transformers' sizes", () => {
  for (const row of rowsWith("vision", ["factor", "min_pixels", "max_pixels", "height", "width", "out"])) {
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
  for (const row of rowsWith("vision", ["image", "pixel_values_6x6", "resized_rgb_sha256"])) {
    const { rgb, width, height } = await pictureOf(row);
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
  for (const row of rowsWith("algos", ["image", "black", "patch_size", "rgb_sha256"])) {
    const { rgb, width, height } = await pictureOf(row);
    const cells = Uint8Array.from(String(row.black), Number);
    const masked = native.applyCells(rgb, height, width, Number(row.patch_size), cells);
    expect([row.image, sha256(masked)]).toEqual([row.image, row.rgb_sha256]);
  }
});
