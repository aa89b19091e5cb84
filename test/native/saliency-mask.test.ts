// Masks by saliency against their definition: the first floor(ratio x patches) of the ranking, each patch a box of
// pixels of the decoded picture.
import { expect, test } from "vitest";
import type { MaskedView, PatchMask, SaliencyRanking } from "../../lib/native/binding.ts";
import { loadNative, packageRoot } from "../../lib/native/load.ts";
import { readImageSpec } from "../../lib/processor/image-size.ts";
import { batchOf, keep, logProbs, prompt, response, score, tinyPolicy } from "../support/tiny-policy.ts";
import { uniforms } from "../support/objective.ts";

const native = loadNative();
const imageSpec = await readImageSpec(`${packageRoot}/lib/policy/fixture`, {
  trainerMinPixels: 0,
  trainerMaxPixels: 0,
});

const mask: PatchMask = {
  ...({ strategy: "saliency", mode: "raw", fill: "black" } as const),
  ...{ patchPx: 14, ratio: 0.6, exact: false, seed: 3, epoch: 0, exampleId: "one", imageIndex: 0, responseIndex: 0 },
};

function bytes(seed: number, height: number, width: number): Uint8Array {
  const uniform = uniforms(seed);
  return Uint8Array.from({ length: height * width * 3 }, () => 1 + Math.floor(255 * uniform()));
}

/** A grid whose order is that of random numbers. */
function ranking(rows: number, cols: number, seed = 1): SaliencyRanking {
  const uniform = uniforms(seed);
  const draws = Array.from({ length: rows * cols }, uniform);
  const order = [...draws.keys()].sort((a, b) => (draws[b] ?? 0) - (draws[a] ?? 0));
  return { rows, cols, order: Uint16Array.from(order) };
}

/** Of each pixel whether it is masked. */
function expectedPixels(
  height: number,
  width: number,
  { rows, cols, order }: SaliencyRanking,
  ratio: number,
): boolean[] {
  const dropped = new Set(order.slice(0, Math.floor(ratio * rows * cols)));
  // The patch [row] whose box [floor(row H / rows), floor((row + 1) H / rows)) has the pixel.
  const cellOf = (pixel: number, count: number, side: number) =>
    Array.from({ length: count }, (_, cell) => cell).findIndex(
      (cell) => pixel >= Math.floor((cell * side) / count) && pixel < Math.floor(((cell + 1) * side) / count),
    );
  return Array.from({ length: height * width }, (_, pixel) =>
    dropped.has(cellOf(Math.floor(pixel / width), rows, height) * cols + cellOf(pixel % width, cols, width)),
  );
}

// height, width, rows, cols: whole boxes, broken ones, one patch, more patches than pixels.
const shapes = [
  [42, 70, 3, 5],
  [61, 100, 3, 5],
  [37, 111, 7, 1],
  [5, 9, 1, 1],
  [3, 4, 5, 7],
] as const;

test.each(shapes)("%i x %i px in %i x %i patches: boxes cover the picture, the share is exact", async (...shape) => {
  const [height, width, rows, cols] = shape;
  const rgb = bytes(7, height, width);
  const order = ranking(rows, cols);
  const image = keep(native.createImage(rgb, height, width, imageSpec, order));
  for (const ratio of [0, 0.25, 0.6, 1]) {
    const masked = await native.maskedRgb(image, { ...mask, ratio });
    expect([masked.height, masked.width]).toEqual([height, width]);
    const expected = expectedPixels(height, width, order, ratio);
    for (const [pixel, isMasked] of expected.entries())
      for (let channel = 0; channel < 3; channel++)
        expect(masked.rgb[pixel * 3 + channel]).toBe(isMasked ? 0 : rgb[pixel * 3 + channel]);
    if (ratio === 1) expect(expected.every(Boolean)).toBe(true); // no pixel is in no box
  }
});

test("neither seed, epoch, response nor cell size has a part in it", async () => {
  const image = keep(native.createImage(bytes(7, 61, 100), 61, 100, imageSpec, ranking(3, 5)));
  const first = await native.maskedRgb(image, mask);
  for (const other of [{ seed: 4 }, { epoch: 1 }, { responseIndex: 2 }, { patchPx: 28 }, { exact: true }])
    expect(await native.maskedRgb(image, { ...mask, ...other })).toEqual(first);
});

test("mean and noise fill the boxes and nothing else", async () => {
  const rgb = bytes(7, 61, 100);
  const order = ranking(3, 5);
  const image = keep(native.createImage(rgb, 61, 100, imageSpec, order));
  const expected = expectedPixels(61, 100, order, 0.6);
  const mean = await native.maskedRgb(image, { ...mask, fill: "mean" });
  const noise = await native.maskedRgb(image, { ...mask, fill: "noise" });
  const drawn: number[] = [];
  for (const [pixel, isMasked] of expected.entries()) {
    const of = (masked: { readonly rgb: Uint8Array }) => [...masked.rgb.subarray(pixel * 3, pixel * 3 + 3)];
    const means = imageSpec.mean.map((value) => Math.round(255 * value));
    expect(of(mean)).toEqual(isMasked ? means : of({ rgb }));
    if (isMasked) drawn.push(...of(noise));
    else expect(of(noise)).toEqual(of({ rgb }));
  }
  expect(new Set(drawn).size).toBeGreaterThan(100);
});

test("what the policy scores is the picture that maskedRgb shows", async () => {
  const rgb = bytes(9, 61, 100);
  const image = keep(native.createImage(rgb, 61, 100, imageSpec, ranking(3, 5)));
  const shown = await native.maskedRgb(image, mask);
  const masked = keep(native.createImage(shown.rgb, 61, 100, imageSpec));
  expect(await native.pixelValues(image, mask)).toEqual(await native.pixelValues(masked, null));
  const policy = await tinyPolicy({ trained: false });
  const view: MaskedView = { ...mask, perResponse: false };
  const groups = [{ prompt: prompt("one", [3, image, 17]), responses: [response(5, 1), response(3, 2)] }];
  const same = [{ prompt: prompt("one", [3, masked, 17]), responses: [response(5, 1), response(3, 2)] }];
  expect(await logProbs(policy, groups, { view })).toEqual(await logProbs(policy, same));
  expect(await logProbs(policy, groups, { view: { ...view, perResponse: true } })).toEqual(
    await logProbs(policy, same),
  );
  expect(await logProbs(policy, groups, { view })).not.toEqual(await logProbs(policy, groups));
});

test("a picture without a ranking, cells of the model's patches and rankings that are none are refused", async () => {
  const rgb = bytes(7, 28, 28);
  const bare = keep(native.createImage(rgb, 28, 28, imageSpec));
  await expect(native.maskedRgb(bare, mask)).rejects.toThrow("a mask by saliency needs a picture with a ranking");
  const policy = await tinyPolicy({ trained: false });
  const batch = batchOf([{ prompt: prompt("one", [bare, 3]), responses: [response(2, 1)] }]);
  await expect(score(policy, batch, { view: { ...mask, perResponse: false } })).rejects.toThrow("needs a picture with");
  const ranked = keep(native.createImage(rgb, 28, 28, imageSpec, ranking(2, 2)));
  for (const call of [
    native.maskedRgb(ranked, { ...mask, mode: "patch" }),
    native.pixelValues(ranked, { ...mask, mode: "patch" }),
  ])
    // prettier-ignore
    await expect(call).rejects.toThrow("masks by saliency: expected mode raw");
  await expect(native.maskedRgb(ranked, { ...mask, ratio: 1.5 })).rejects.toThrow("ratio: expected 0 to 1");
  expect(() => native.patchMaskCells(mask, 2, 2)).toThrow("cells of saliency are not drawn");
  expect(() => native.patchMaskCells({ ...mask, strategy: "best" as "random" }, 2, 2)).toThrow(
    "strategy: expected one of random, saliency",
  );
  const create = (rows: number, cols: number, order: number[]) => () =>
    native.createImage(rgb, 28, 28, imageSpec, { rows, cols, order: Uint16Array.from(order) });
  expect(create(2, 2, [0, 1, 2])).toThrow("expected an order of 4 patches, got 3");
  expect(create(2, 2, [0, 1, 1, 2])).toThrow("expected an order that has each patch once");
  expect(create(2, 2, [0, 1, 4, 2])).toThrow("expected an order that has each patch once");
  expect(create(0, 2, [])).toThrow("expected a grid of at most 65536 patches");
  expect(create(300, 300, [0])).toThrow("expected a grid of at most 65536 patches, got 300 x 300");
});
