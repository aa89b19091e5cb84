// DINOv2 against golden values of transformers (scripts/make_dinov2_fixture.py), and folders that are none.
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { decodeImage } from "../../lib/data/image.ts";
import { CheckpointError, ConfigError } from "../../lib/errors.ts";
import type { ImageHandle, SaliencyModelHandle } from "../../lib/native/binding.ts";
import { loadNative, packageRoot } from "../../lib/native/load.ts";
import { planLoad } from "../../lib/policy/checkpoint-folder.ts";
import { readHeader } from "../../lib/policy/safetensors.ts";
import { defaultImageSpec } from "../../lib/processor/image-size.ts";
import { readDinov2Config } from "../../lib/saliency/dinov2-config.ts";
import { SaliencyModel, saliencySource } from "../../lib/saliency/saliency-model.ts";
import { testing } from "../support/objective.ts";
import { tempFolder } from "../support/temp.ts";
import { keep } from "../support/tiny-policy.ts";

const native = loadNative();
const fixtures = join(packageRoot, "test", "fixtures", "dinov2");
const imageSpec = defaultImageSpec({ trainerMinPixels: 0, trainerMaxPixels: 0 });
/** Variant, and rows and columns of its picture's grid. */
const variants = [
  ["mlp", 3, 5],
  ["swiglu", 3, 3],
  ["registers", 5, 3],
] as const;

async function goldenOf(variant: string): Promise<(name: string) => Float64Array> {
  const file = join(fixtures, variant, "golden.safetensors");
  const { tensors } = await readHeader(file);
  const bytes = await readFile(file);
  return (name) => {
    const entry = tensors.get(name);
    if (!entry) throw new Error(`no golden ${name}`);
    const view = new DataView(bytes.buffer, bytes.byteOffset + entry.byteOffset, entry.numBytes);
    const size = entry.dtype === "F64" ? 8 : 4;
    return Float64Array.from({ length: entry.numBytes / size }, (_, i) =>
      size === 8 ? view.getFloat64(i * 8, true) : view.getFloat32(i * 4, true),
    );
  };
}

async function picture(variant: string): Promise<ImageHandle> {
  const path = join(fixtures, variant, "picture.png");
  const { rgb, height, width } = await decodeImage({ path }, { file: path, row: undefined });
  return keep(native.createImage(rgb, height, width, imageSpec));
}

async function openNative(dir: string, device: "cpu" | "emulated" = "cpu"): Promise<SaliencyModelHandle> {
  const model = keep(await native.createSaliencyModel(await readDinov2Config(dir), device));
  const plan = await planLoad(dir, native.saliencyModelTensors(model), { partial: true });
  for (const { path, entries } of plan.files) await native.readSaliencyModel(model, path, entries);
  return model;
}

function expectClose(actual: Float64Array | undefined, expected: Float64Array, tolerance: number, what: string): void {
  expect(actual?.length, what).toBe(expected.length);
  const scale = expected.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  const worst = expected.reduce((max, value, i) => Math.max(max, Math.abs(value - (actual?.[i] ?? NaN))), 0);
  expect(worst / scale, what).toBeLessThan(tolerance);
}

/** [rows * cols, 3, 14, 14] of a picture [3, 14 rows, 14 cols]. */
function patchesOf(pixels: Float64Array, rows: number, cols: number): Float64Array {
  const [height, width] = [14 * rows, 14 * cols];
  return Float64Array.from({ length: pixels.length }, (_, i) => {
    const [patch, channel, y, x] = [Math.floor(i / 588), Math.floor(i / 196) % 3, Math.floor(i / 14) % 14, i % 14];
    const [row, col] = [Math.floor(patch / cols), patch % cols];
    return pixels[channel * height * width + (14 * row + y) * width + 14 * col + x] ?? NaN;
  });
}

test.each(variants)("%s: pixels, every layer and the saliency are transformers'", async (variant, rows, cols) => {
  const golden = await goldenOf(variant);
  const model = await openNative(join(fixtures, variant));
  const image = await picture(variant);
  const layers = await testing.dinov2Layers(model, image);
  expectClose(layers.pixel_values, patchesOf(golden("pixel_values"), rows, cols), 1e-6, "pixel_values");
  for (const layer of [0, 1, 2]) {
    expectClose(layers[`hidden.${layer}`], golden(`hidden.${layer}`), 2e-6, `hidden.${layer}`);
    expectClose(layers[`attention.${layer}`], golden(`attention.${layer}`), 5e-6, `attention.${layer}`);
  }
  const ranked = await native.rankPatches(model, image, [1, 2]);
  expect([ranked.rows, ranked.cols]).toEqual([rows, cols]);
  expectClose(ranked.saliency, golden("saliency"), 5e-6, "saliency");
  // The order by its definition, from the golden values.
  const expected = [...golden("saliency").keys()].sort(
    (a, b) => (golden("saliency")[b] ?? 0) - (golden("saliency")[a] ?? 0) || a - b,
  );
  expect([...ranked.order]).toEqual(expected);
});

test("one layer's saliency is the column sums of its attention, without the diagonal, the class token and registers", async () => {
  const model = await openNative(join(fixtures, "registers"));
  const image = await picture("registers");
  const attention = (await testing.dinov2Layers(model, image))["attention.0"] ?? new Float64Array();
  const [num, first, heads] = [18, 3, 2];
  const at = (head: number, from: number, to: number) => attention[(head * num + from) * num + to] ?? NaN;
  const sums = Float64Array.from({ length: num - first }, (_, patch) => {
    let sum = 0;
    for (let head = 0; head < heads; head++)
      for (let from = first; from < num; from++) if (from !== patch + first) sum += at(head, from, patch + first);
    return sum / heads;
  });
  expectClose((await native.rankPatches(model, image, [0])).saliency, sums, 1e-6, "saliency");
});

test("the device's way of the ops gives the CPU's saliency", async () => {
  for (const variant of ["mlp", "swiglu"]) {
    const image = await picture(variant);
    const cpu = await native.rankPatches(await openNative(join(fixtures, variant)), image, [0, 2]);
    const device = await native.rankPatches(await openNative(join(fixtures, variant), "emulated"), image, [0, 2]);
    expectClose(device.saliency, cpu.saliency, 1e-5, variant);
  }
});

test("a picture of any shape has at most 4,096 patches", async () => {
  const model = await openNative(join(fixtures, "mlp"));
  const long = keep(native.createImage(new Uint8Array(3 * 2 * 398).fill(90), 2, 398, imageSpec));
  // 42 x 8358 px are 3 x 597 patches.
  expect(await native.rankPatches(model, long, [0])).toMatchObject({ rows: 3, cols: 597 });
  const big = { ...(await readDinov2Config(join(fixtures, "mlp"))), numLayers: 1 };
  const input = { ...big.input, shortestEdge: 4096 };
  const config = { ...big, input };
  const large = keep(await native.createSaliencyModel(config, "cpu"));
  const plan = await planLoad(join(fixtures, "mlp"), native.saliencyModelTensors(large), { partial: true });
  for (const { path, entries } of plan.files) await native.readSaliencyModel(large, path, entries);
  const { rows, cols } = await native.rankPatches(large, await picture("mlp"), [0]);
  expect(rows * cols).toBeLessThanOrEqual(4096);
  // 61 x 100 px keep their aspect.
  expect(cols / rows).toBeCloseTo(100 / 61, 1);
});

test("of equally salient patches the first is ranked first", async () => {
  const dir = changed({});
  const file = join(dir, "model.safetensors");
  const weights = readFileSync(file);
  weights.fill(0, 8 + Number(weights.readBigUInt64LE())); // no weight, no difference: every patch gives all the same
  writeFileSync(file, weights);
  const { order, saliency } = await native.rankPatches(await openNative(dir), await picture("mlp"), [0, 1]);
  expect(saliency[14]).toBeCloseTo(14 / 16, 6);
  expect([...order]).toEqual([...order.keys()]);
});

test("sizes follow from config.json as transformers has them, SwiGLU's inner size in multiples of 8", async () => {
  // trunc(16 * 2 * 2 / 3) = 21 -> 24
  const swiglu = await readDinov2Config(join(fixtures, "swiglu"));
  expect(swiglu).toMatchObject({ intermediateSize: 24, swiglu: true, numRegisters: 0, positionSide: 3 });
  expect((await readDinov2Config(join(fixtures, "registers"))).numRegisters).toBe(2);
  const dir = changed({ "config.json": () => ({ model_type: "dinov2", hidden_size: 1536, num_attention_heads: 24, mlp_ratio: 4, use_swiglu_ffn: true, image_size: 518 }) }); // prettier-ignore
  expect(await readDinov2Config(dir)).toMatchObject({ intermediateSize: 4096, positionSide: 37, numLayers: 12 });
});

type Json = Record<string, unknown>;

/** A copy of the `mlp` fixture with files changed. */
function changed(files: Readonly<Record<string, (json: Json) => Json>>): string {
  const dir = tempFolder();
  cpSync(join(fixtures, "mlp"), dir, { recursive: true });
  for (const [file, change] of Object.entries(files)) {
    const json = JSON.parse(readFileSync(join(dir, file), "utf8")) as Json;
    writeFileSync(join(dir, file), JSON.stringify(change(json)));
  }
  return dir;
}

const config = (over: Json) => changed({ "config.json": (json) => ({ ...json, ...over }) });
const processor = (over: Json) => changed({ "preprocessor_config.json": (json) => ({ ...json, ...over }) });

test.each([
  [() => config({ model_type: "vit" }), "model_type: expected dinov2 or dinov2_with_registers"],
  [() => config({ num_attention_heads: 3 }), "num_attention_heads: expected a divisor of hidden_size 16, got 3"],
  [() => config({ hidden_act: "relu" }), "hidden_act: papo supports only gelu here"],
  [() => config({ image_size: [42, 56] }), "image_size: expected an integer from 14 to 4096"],
  [() => processor({ do_resize: false }), "do_resize: expected true"],
  [() => processor({ resample: 2 }), "resample: expected 3 (bicubic), got 2"],
  [() => processor({ size: { shortest_edge: 100_000 } }), "size.shortest_edge: expected an integer from 1 to 4096"],
  [() => processor({ image_std: [1, 0, 1] }), "image_std: expected three numbers"],
])("a foreign folder is refused by name (%#)", async (make, message) => {
  const failure = await readDinov2Config(make()).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(CheckpointError);
  expect(String(failure)).toContain(message);
});

const source = async (model: string, layers: readonly number[] | null) =>
  await saliencySource({ ...{ model, policy: null, layers, imageSpec, exifRotate: false }, layersKey: "--layers" });

test("missing tensors and wrong shapes are named; layers behind the last one are not asked for", async () => {
  const dir = config({ hidden_size: 18 });
  await expect(SaliencyModel.open(await source(dir, [0]), "cpu")).rejects.toThrow(
    /of another shape: .*embeddings\.cls_token \[1, 1, 16\] instead of \[1, 1, 18\]/u,
  );
  const deep = config({ num_hidden_layers: 5 });
  await expect(SaliencyModel.open(await source(deep, [4]), "cpu")).rejects.toThrow(
    /missing: .*encoder\.layer\.3\.norm1\.weight/u,
  );
  using model = await SaliencyModel.open(await source(deep, [2]), "cpu");
  expect((await model.rank(await picture("mlp"))).order.length).toBe(15);
});

test("layers that the model does not have are refused; without any they are the paper's, from 0", async () => {
  await expect(source(join(fixtures, "mlp"), [1, 3])).rejects.toThrow(
    /^--layers: expected layers of .*mlp \(0 to 2\), got 1, 3$/u,
  );
  await expect(source(join(fixtures, "mlp"), null)).rejects.toThrow(ConfigError);
  expect((await source(config({ num_hidden_layers: 12 }), null)).layers).toEqual([6, 7, 8, 9]);
});
