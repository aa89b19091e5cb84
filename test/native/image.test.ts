import { describe, expect, test } from "vitest";
import type { ImageSpec, MaskFill, PatchMask } from "../../lib/native/binding.ts";
import { loadNative } from "../../lib/native/load.ts";

const native = loadNative();

const spec: ImageSpec = {
  patchSize: 14,
  temporalPatchSize: 2,
  mergeSize: 2,
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
  rescale: 1 / 255,
  minPixels: 56 * 56,
  maxPixels: 28 * 28 * 1280,
  trainerMinPixels: 0,
  trainerMaxPixels: 0,
  resample: "torchvision",
};
const mask: PatchMask = {
  mode: "raw",
  patchPx: 14,
  ratio: 0.6,
  exact: false,
  fill: "black",
  seed: 7,
  epoch: 0,
  exampleId: "train:1",
  imageIndex: 0,
  responseIndex: 0,
};

/** A picture without two equal neighbours; no byte is 0, so that black is the patch mask's alone. */
function picture(height: number, width: number): Uint8Array {
  return Uint8Array.from({ length: height * width * 3 }, (_, index) => 1 + ((index * 7919 + (index >> 5) * 31) % 255));
}

function handle(height: number, width: number, over: Partial<ImageSpec> = {}) {
  return native.createImage(picture(height, width), height, width, { ...spec, ...over });
}

/** Feature index of (channel, temporal half, y, x) within a packed patch. */
function feature(channel: number, time: number, y: number, x: number): number {
  return ((channel * 2 + time) * 14 + y) * 14 + x;
}

describe("plan", () => {
  test("a side half way between two multiples of 28 rounds to the even one", () => {
    // 70 / 28 = 2.5 -> 2; 98 / 28 = 3.5 -> 4; 56 * 112 = 6272 is within the limits
    expect(native.imagePlan(70, 98, spec)).toEqual({
      height: 70,
      width: 98,
      resizedHeight: 56,
      resizedWidth: 112,
      gridThw: [1, 4, 8],
    });
  });

  test("the trainer's limits act before the processor's", () => {
    // 1000 x 500 px at most 200,000: factor sqrt(0.4) = 0.63246 -> 632 x 316; 632 / 28 = 22.57 -> 23, 316 / 28 = 11.29 -> 11
    const plan = native.imagePlan(1000, 500, { ...spec, trainerMaxPixels: 200_000 });
    expect([plan.resizedHeight, plan.resizedWidth]).toEqual([23 * 28, 11 * 28]);
    // 10 x 10 px at least 200,704: factor 44.8 -> 448 x 448
    const grown = native.imagePlan(10, 10, { ...spec, trainerMinPixels: 200_704 });
    expect([grown.resizedHeight, grown.resizedWidth]).toEqual([448, 448]);
  });

  test.each([1, 7, 37, 111])("a picture with a side of %i px is at least one merged token high", (side) => {
    const plan = native.imagePlan(side, 37, { ...spec, minPixels: 1 });
    expect(plan.gridThw[1]).toBeGreaterThanOrEqual(2);
    expect(plan.gridThw[1] % 2).toBe(0);
  });

  test("bad sizes and specs are refused with the rule", () => {
    expect(() => native.imagePlan(1, 201, spec)).toThrow(
      "[image] expected an aspect ratio of at most 200, got 201 x 1 px",
    );
    expect(() => native.imagePlan(0, 5, spec)).toThrow("expected sides of 1 to 2^24 px");
    expect(() => native.imagePlan(1.5, 5, spec)).toThrow("height: expected an integer");
    expect(() => native.imagePlan(Number.NaN, 5, spec)).toThrow("height: expected a finite number");
    expect(() => native.imagePlan(5, 5, { ...spec, minPixels: 9, maxPixels: 8 })).toThrow(
      "expected 1 <= min_pixels <= max_pixels, got 9 and 8",
    );
    expect(() => native.imagePlan(5, 5, { ...spec, patchSize: 0 })).toThrow("patch sizes: expected 1 or more");
    expect(() => native.imagePlan(5, 5, { ...spec, patchSize: 1000 })).toThrow("expected at most 1024");
    expect(() => native.imagePlan(5, 5, { ...spec, std: [1, 0, 1] })).toThrow("std: expected numbers over 0");
    expect(() => native.imagePlan(5, 5, { ...spec, rescale: 0 })).toThrow("rescale: expected a number over 0");
    expect(() => native.imagePlan(5, 5, { ...spec, trainerMinPixels: -1 })).toThrow("trainer pixel limits");
    expect(() => native.imagePlan(1, 1000, { ...spec, trainerMaxPixels: 500 })).toThrow("has no side left at 500 px");
    expect(() => native.imagePlan(5, 5, { ...spec, resample: "nearest" as "pillow" })).toThrow(
      "resample: expected one of torchvision, pillow",
    );
    expect(() => native.imagePlan(5, 5, { ...spec, mean: [0, 0] as unknown as [number, number, number] })).toThrow(
      "mean: expected three numbers",
    );
    expect(() => native.imagePlan(5, 5, null as unknown as ImageSpec)).toThrow("[image_spec] expected an object");
  });
});

describe("resize", () => {
  test("Pillow's bicubic has the worked-out weights when it doubles a row", async () => {
    // Outputs sit at 1/4 and 3/4 px; with a = -0.5 the weights at distances 1.75, 1.25, 0.75, 0.25 are
    // -0.0234375, -0.0703125, 0.2265625, 0.8671875. Output 3 (centre 1.75) sees the two 255s at 0.75 and 1.75:
    // 255 * (0.2265625 - 0.0234375) = 51.8; output 4 mirrors it: 255 - 51.8 = 203.2; the rest clamps or is flat.
    const row = Uint8Array.from([0, 0, 255, 255].flatMap((value) => [value, value, value]));
    const wide = await native.resizeRgb(row, { height: 1, width: 4, toHeight: 1, toWidth: 8 }, "pillow");
    expect(Array.from(wide.filter((_, index) => index % 3 === 1))).toEqual([0, 0, 0, 52, 203, 255, 255, 255]);
  });

  test.each(["pillow", "torchvision"] as const)("%s keeps a flat picture flat at odd sizes", async (resample) => {
    const flat = new Uint8Array(37 * 111 * 3).fill(200);
    const size = { height: 37, width: 111, toHeight: 111, toWidth: 7 };
    expect(new Set(await native.resizeRgb(flat, size, resample))).toEqual(new Set([200]));
  });

  test("the same size gives the same bytes", async () => {
    const rgb = picture(7, 37);
    const size = { height: 7, width: 37, toHeight: 7, toWidth: 37 };
    expect(await native.resizeRgb(rgb, size, "pillow")).toEqual(rgb);
  });

  test("wrong byte counts and targets are refused", async () => {
    const size = { height: 2, width: 2, toHeight: 0, toWidth: 1 };
    await expect(native.resizeRgb(picture(2, 2), size, "pillow")).rejects.toThrow(
      "expected a target of 1 x 1 pixel or more",
    );
    expect(() => native.createImage(picture(2, 2), 2, 3, spec)).toThrow("expected 18 bytes for 3 x 2 px, got 12");
    expect(() => native.createImage(new Float32Array(12) as unknown as Uint8Array, 2, 2, spec)).toThrow(
      "rgb: expected a Uint8Array",
    );
    expect(() => native.createImage(picture(1, 1), -1, -1, spec)).toThrow("expected sides of 1 to 2^24 px");
  });
});

describe("modes", () => {
  test("CMYK becomes RGB by Pillow's rule", () => {
    // white = 255 - K; channel = white - round(ink * white / 255):
    // K 51: 204 - (0, 204, 0); K 55: 200 - (128 * 200 / 255 = 100.4, 0, 64 * 200 / 255 = 50.2)
    const rgb = native.cmykToRgb(Uint8Array.from([0, 255, 0, 51, 128, 0, 64, 55]));
    expect(Array.from(rgb)).toEqual([204, 0, 204, 100, 200, 150]);
    expect(() => native.cmykToRgb(new Uint8Array(5))).toThrow("cmyk: expected four bytes a pixel");
  });

  test("16-bit grey is clipped", () => {
    expect(Array.from(native.grey16ToRgb(Uint16Array.from([7, 256])))).toEqual([7, 7, 7, 255, 255, 255]);
    expect(() => native.grey16ToRgb(new Uint8Array(2) as unknown as Uint16Array)).toThrow("expected a Uint16Array");
  });
});

describe("pixel values", () => {
  test("patches come in merge-block order with the same picture in both temporal halves", async () => {
    const image = handle(56, 84); // grid 4 x 6; already a multiple of 28, so no resize
    const values = await native.pixelValues(image, null);
    const numFeatures = 3 * 2 * 14 * 14;
    expect(values.length).toBe(24 * numFeatures);
    const rgb = picture(56, 84);
    // Packed patch 6 = block 1 (columns 2, 3), second row of it, first column: grid row 1, column 2.
    for (const time of [0, 1]) {
      const byte = rgb[((1 * 14 + 3) * 84 + (2 * 14 + 5)) * 3 + 2] ?? Number.NaN;
      const want = (byte / 255 - 0.40821073) / 0.27577711;
      expect(values[6 * numFeatures + feature(2, time, 3, 5)]).toBeCloseTo(want, 5);
    }
  });

  test("dropping no cell gives the plain values, bit for bit", async () => {
    const image = handle(37, 111);
    const plain = await native.pixelValues(image, null);
    for (const mode of ["raw", "patch"] as const) {
      expect(await native.pixelValues(image, { ...mask, mode, ratio: 0 })).toEqual(plain);
    }
  });

  test.each<[MaskFill, number]>([
    ["black", -0.40821073 / 0.27577711],
    ["mean", 0],
  ])("patch mode fills exactly the dropped patches with %s", async (fill, blue) => {
    const image = handle(56, 84);
    const patchMask: PatchMask = { ...mask, mode: "patch", fill };
    const cells = native.patchMaskCells(patchMask, 4, 6);
    const plain = await native.pixelValues(image, null);
    const masked = await native.pixelValues(image, patchMask);
    const numFeatures = 3 * 2 * 14 * 14;
    for (let packed = 0; packed < 24; packed++) {
      const block = Math.floor(packed / 4);
      const row = Math.floor(block / 3) * 2 + Math.floor((packed % 4) / 2);
      const col = (block % 3) * 2 + (packed % 2);
      const from = packed * numFeatures;
      if (cells[row * 6 + col] === 0) {
        expect(masked.subarray(from, from + numFeatures)).toEqual(plain.subarray(from, from + numFeatures));
      } else {
        for (const at of [feature(2, 0, 0, 0), feature(2, 1, 13, 13)]) expect(masked[from + at]).toBeCloseTo(blue, 6);
      }
    }
  });

  test("noise fill is standard normal, alike in both temporal halves, and a function of the key", async () => {
    const image = handle(280, 280);
    const patchMask: PatchMask = { ...mask, mode: "patch", fill: "noise", ratio: 1 };
    const values = await native.pixelValues(image, patchMask);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    // 400 patches * 588 independent draws = 235,200: 5 standard errors are 0.0103 for the mean, 0.0146 for the variance
    expect(Math.abs(mean)).toBeLessThan(0.0103);
    expect(Math.abs(variance - 1)).toBeLessThan(0.0146);
    expect(values[feature(1, 0, 2, 3)]).toBe(values[feature(1, 1, 2, 3)]);
    expect(await native.pixelValues(image, patchMask)).toEqual(values);
    expect(await native.pixelValues(image, { ...patchMask, epoch: 1 })).not.toEqual(values);
  });

  test("raw mode drops cells before the resize", async () => {
    const image = handle(30, 45, { minPixels: 28 * 28 * 16 });
    const masked = await native.maskedRgb(image, mask);
    expect([masked.height, masked.width]).toEqual([30, 45]);
    const again = native.createImage(masked.rgb, 30, 45, { ...spec, minPixels: 28 * 28 * 16 });
    expect(await native.pixelValues(image, mask)).toEqual(await native.pixelValues(again, null));
  });
});

describe("patch mask", () => {
  test("a dropped cell is black, cropped at the edge, and the others keep their bytes", async () => {
    const [height, width, cols] = [30, 45, 4];
    const { rgb } = await native.maskedRgb(handle(height, width), mask);
    const cells = native.patchMaskCells(mask, 3, cols);
    expect(native.applyCells(picture(height, width), height, width, 14, cells)).toEqual(rgb);
    const plain = picture(height, width);
    for (let pixel = 0; pixel < height * width; pixel++) {
      const cell = Math.floor(Math.floor(pixel / width) / 14) * cols + Math.floor((pixel % width) / 14);
      expect(rgb[pixel * 3]).toBe(cells[cell] === 1 ? 0 : plain[pixel * 3]);
    }
  });

  test("the mean fill of a decoded picture is the nearest byte to the mean", async () => {
    // 0.48145466 * 255 = 122.77; 0.4578275 * 255 = 116.75; 0.40821073 * 255 = 104.09
    const { rgb } = await native.maskedRgb(handle(1, 1), { ...mask, fill: "mean", ratio: 1 });
    expect(Array.from(rgb)).toEqual([123, 117, 104]);
  });

  test("patch mode shows the resized picture with whole cells filled", async () => {
    const shown = await native.maskedRgb(handle(100, 70), { ...mask, mode: "patch", patchPx: 28, ratio: 1 });
    expect([shown.height, shown.width]).toEqual([112, 56]);
    expect(new Set(shown.rgb)).toEqual(new Set([0]));
  });

  test.each([
    [0.6, 1, 1, 0], // floor(0.6)
    [0.6, 7, 37, 155], // floor(155.4)
    [0.5, 37, 111, 2053], // floor(2053.5)
    [1, 3, 3, 9],
    [0, 3, 3, 0],
  ])("exact drops floor(%f * %i * %i) = %i cells", (ratio, rows, cols, count) => {
    const cells = native.patchMaskCells({ ...mask, exact: true, ratio }, rows, cols);
    expect(cells.reduce((sum, cell) => sum + cell, 0)).toBe(count);
  });

  test("independent cells are dropped at the ratio", () => {
    const cells = native.patchMaskCells(mask, 300, 300);
    // 90,000 draws: 5 standard errors are 5 * sqrt(0.24 / 90000) = 0.0082
    expect(Math.abs(cells.reduce((sum, cell) => sum + cell, 0) / cells.length - 0.6)).toBeLessThan(0.0082);
  });

  test("every part of the key changes the cells, and the same key repeats them", () => {
    const plain = native.patchMaskCells(mask, 20, 20);
    expect(native.patchMaskCells({ ...mask }, 20, 20)).toEqual(plain);
    for (const other of [
      { seed: 8 },
      { epoch: 1 },
      { exampleId: "train:2" },
      { imageIndex: 1 },
      { responseIndex: 1 },
    ]) {
      expect(native.patchMaskCells({ ...mask, ...other }, 20, 20)).not.toEqual(plain);
    }
  });

  test("bad patch masks are refused with the rule", async () => {
    expect(() => native.patchMaskCells({ ...mask, ratio: 1.5 }, 2, 2)).toThrow("ratio: expected 0 to 1");
    expect(() => native.patchMaskCells({ ...mask, seed: -1 }, 2, 2)).toThrow("seed: expected 0 or more");
    expect(() => native.patchMaskCells(mask, 0, 2)).toThrow("expected one cell or more");
    expect(() => native.patchMaskCells(mask, 1e6, 2)).toThrow("expected at most 65536 rows and columns");
    expect(() => native.patchMaskCells({ ...mask, mode: "both" as "raw" }, 2, 2)).toThrow(
      "mode: expected one of raw, patch",
    );
    expect(() => native.patchMaskCells({ ...mask, exact: 1 as unknown as boolean }, 2, 2)).toThrow(
      "exact: expected a boolean",
    );
    expect(() => native.patchMaskCells({ ...mask, exampleId: 3 as unknown as string }, 2, 2)).toThrow(
      "exampleId: expected a string",
    );
    expect(() => native.patchMaskCells(null as unknown as PatchMask, 2, 2)).toThrow("expected a patch mask");
    expect(() => native.applyCells(picture(30, 30), 30, 30, 14, new Uint8Array(8))).toThrow("expected 9 cells, got 8");
    expect(() => native.applyCells(picture(1, 1), 1, 1, 0, new Uint8Array(1))).toThrow(
      "patch_px: expected 1 or more, got 0",
    );
    expect(() => native.applyCells(picture(1, 1), 1, 1, 1, [] as unknown as Uint8Array)).toThrow(
      "cells: expected a Uint8Array",
    );
    const image = handle(30, 30);
    expect(() => native.maskedRgb(image, null as unknown as PatchMask)).toThrow("expected a patch mask");
    await expect(native.maskedRgb(image, { ...mask, patchPx: 0 })).rejects.toThrow("patch_px: expected 1 or more");
    await expect(native.pixelValues(image, { ...mask, mode: "patch", patchPx: 15 })).rejects.toThrow(
      "patch_px: expected a multiple of the model's patch size 14, got 15",
    );
  });

  test("a disposed or foreign handle throws", () => {
    const image = handle(2, 2);
    native.dispose(image);
    expect(() => native.imageInfo(image)).toThrow("[image_info] the image was disposed");
    expect(() => native.imageInfo(native.createCancelFlag() as never)).toThrow("expected a image handle");
  });
});
