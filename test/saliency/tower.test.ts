// Saliency by the policy's own vision tower, against transformers' tower (scripts/make_dinov2_fixture.py).
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { decodeImage } from "../../lib/data/image.ts";
import { loadNative, packageRoot } from "../../lib/native/load.ts";
import { readImageSpec } from "../../lib/processor/image-size.ts";
import { SaliencyModel, saliencySource, sourceFingerprint } from "../../lib/saliency/saliency-model.ts";
import { keep } from "../support/tiny-policy.ts";

const native = loadNative();
const fixtures = join(packageRoot, "test", "fixtures", "dinov2");
const policy = join(packageRoot, "lib", "policy", "fixture");
const imageSpec = await readImageSpec(policy, { trainerMinPixels: 0, trainerMaxPixels: 0 });
const settings = { model: null, policy, layers: null, imageSpec, exifRotate: false, layersKey: "aug.saliency.layers" };

test("the tower's patches, walked window by window, are ranked as transformers' attention has them", async () => {
  const path = join(fixtures, "mlp", "picture.png");
  const { rgb, height, width } = await decodeImage({ path }, { file: path, row: undefined });
  const image = keep(native.createImage(rgb, height, width, imageSpec));
  const golden = JSON.parse(readFileSync(join(fixtures, "tower.json"), "utf8")) as {
    rows: number;
    cols: number;
    saliency: number[];
  };
  const source = await saliencySource(settings);
  expect(source.layers).toEqual([1]); // the only block of the fixture's two with full attention
  using model = await SaliencyModel.open(source, "cpu");
  const ranked = await model.rank(image);
  expect(ranked).toMatchObject({ rows: golden.rows, cols: golden.cols });
  const saliency = (ranked as unknown as { saliency: Float64Array }).saliency;
  for (const [patch, value] of golden.saliency.entries()) expect(saliency[patch]).toBeCloseTo(value, 5);
  const order = [...golden.saliency.keys()].sort(
    (a, b) => (golden.saliency[b] ?? 0) - (golden.saliency[a] ?? 0) || a - b,
  );
  expect([...ranked.order]).toEqual(order);
});

test("blocks whose attention stays within windows are refused", async () => {
  await expect(saliencySource({ ...settings, layers: [0] })).rejects.toThrow(
    /^aug\.saliency\.layers: expected layers of .*fixture \(1, those with full attention\), got 0$/u,
  );
});

test("a ranking's source is told apart by model, layers, and how pictures are looked at", async () => {
  const base = await saliencySource(settings);
  const dinov2 = await saliencySource({ ...settings, model: join(fixtures, "mlp"), layers: [1] });
  const others = [
    dinov2,
    { ...dinov2, layers: [2] },
    { ...dinov2, dir: join(fixtures, "swiglu") },
    { ...base, exifRotate: true },
    { ...base, imageSpec: { ...imageSpec, maxPixels: 784 } },
  ];
  const prints = await Promise.all([base, ...others].map(sourceFingerprint));
  expect(new Set(prints).size).toBe(prints.length);
  expect(await sourceFingerprint(await saliencySource(settings))).toBe(prints[0]);
  // DINOv2 looks at the decoded picture, whatever the policy is given.
  expect(await sourceFingerprint({ ...dinov2, imageSpec: { ...imageSpec, maxPixels: 784 } })).toBe(prints[1]);
});
