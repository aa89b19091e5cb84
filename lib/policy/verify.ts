// Comparison of papo's Qwen2.5-VL with golden values of transformers, in a fixture folder: an ordinary checkpoint with
// golden.json and golden.safetensors beside it.
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { decodeImage } from "../data/image.ts";
import { CheckpointError } from "../errors.ts";
import type { ImageHandle, ImageSpec, VerifyReport } from "../native/binding.ts";
import { callNative } from "../native/call.ts";
import { loadNative } from "../native/load.ts";
import { readImageSpec } from "../processor/image-size.ts";
import { Policy } from "./policy.ts";
import { readHeader, type SafetensorsHeader, type TensorEntry } from "./safetensors.ts";
import { canonicalName } from "./tensor-names.ts";

/** Largest differences over all cases; `ok` when each is within its bound. */
export interface VerifyResult {
  readonly max_abs_pixel_values_pil: number;
  readonly max_abs_pixel_values: number;
  readonly max_abs_image_embeds: number;
  readonly max_abs_logits: number;
  readonly max_abs_logprobs: number;
  readonly max_abs_entropy: number;
  readonly max_abs_decode_logits: number;
  readonly position_ids_equal: boolean;
  readonly greedy_equal: boolean;
  readonly max_rel_grad_norm: number;
  readonly max_grad_probe: number;
  readonly ok: boolean;
}

type Numbers = { -readonly [Key in keyof VerifyResult as VerifyResult[Key] extends number ? Key : never]: number };

/** Bounds in float32; float32 noise seen: logits 3e-6, probes 4e-7. */
const float32Bounds: Readonly<Numbers> = {
  max_abs_pixel_values_pil: 1e-6,
  max_abs_pixel_values: 1e-6,
  max_abs_image_embeds: 2e-5,
  max_abs_logits: 2e-5,
  max_abs_logprobs: 2e-5,
  max_abs_entropy: 2e-5,
  max_abs_decode_logits: 2e-5,
  max_rel_grad_norm: 1e-4,
  max_grad_probe: 1e-5,
};

/**
 * Twice the largest errors of transformers' own bfloat16 run on the generator's presets (embeddings 0.0147, logits
 * 0.034, log-probs 0.0187, entropy 6e-4, norms 0.021, probes 0.0096). Pixels stay float32.
 */
const bfloat16Bounds: Readonly<Numbers> = {
  ...float32Bounds,
  max_abs_image_embeds: 0.0294,
  max_abs_logits: 0.068,
  max_abs_logprobs: 0.0374,
  max_abs_entropy: 1.2e-3,
  max_abs_decode_logits: 0.068,
  max_rel_grad_norm: 0.042,
  max_grad_probe: 0.0192,
};

interface GoldenJson {
  readonly cases: readonly { readonly images: readonly string[]; readonly n_prompt: number }[];
  readonly [key: string]: unknown;
}

/**
 * Runs every case of a fixture folder.
 * @throws {CheckpointError} when the folder is not a fixture
 */
export async function verify(dir: string, dtype: "float32" | "bfloat16" = "float32"): Promise<VerifyResult> {
  const golden = await readGolden(dir);
  using policy = await Policy.open(dir, { dtype, trained: true });
  const worst = Object.fromEntries(Object.keys(float32Bounds).map((key) => [key, 0])) as unknown as Numbers;
  let positionsEqual = true;
  let greedyEqual = true;
  for (const index of golden.json.cases.keys()) {
    const outcome = await new CaseCheck(dir, policy, golden, index).run(worst);
    positionsEqual &&= outcome.positionsEqual;
    greedyEqual &&= outcome.greedyEqual;
  }
  const bounds = dtype === "float32" ? float32Bounds : bfloat16Bounds;
  const within = (Object.keys(bounds) as (keyof Numbers)[]).every((key) => worst[key] <= bounds[key]);
  // In bfloat16 two nearly equal logits may change places, in transformers' own run too.
  const ok = within && positionsEqual && (greedyEqual || dtype === "bfloat16");
  return { ...worst, position_ids_equal: positionsEqual, greedy_equal: greedyEqual, ok };
}

interface Golden {
  readonly json: GoldenJson;
  readonly file: string;
  readonly header: SafetensorsHeader;
  readonly bytes: Buffer;
}

async function readGolden(dir: string): Promise<Golden> {
  const file = join(dir, "golden.safetensors");
  try {
    const json = JSON.parse(await readFile(join(dir, "golden.json"), "utf8")) as GoldenJson;
    return { json, file, header: await readHeader(file), bytes: await readFile(file) };
  } catch (error) {
    const text = `not a fixture folder (golden.json and golden.safetensors): ${(error as Error).message}`;
    throw new CheckpointError(dir, text, { cause: error });
  }
}

/** One case of a fixture: case<index>.* in golden.safetensors. */
class CaseCheck {
  readonly #dir: string;
  readonly #policy: Policy;
  readonly #golden: Golden;
  readonly #index: number;

  constructor(dir: string, policy: Policy, golden: Golden, index: number) {
    this.#dir = dir;
    this.#policy = policy;
    this.#golden = golden;
    this.#index = index;
  }

  async run(worst: Numbers): Promise<{ positionsEqual: boolean; greedyEqual: boolean }> {
    const native = loadNative();
    const { images: names, n_prompt: numPrompt } = this.#case();
    const ids = Int32Array.from(this.#integers("input_ids"));
    const spec = await readImageSpec(this.#dir, { trainerMinPixels: 0, trainerMaxPixels: 0 });
    const images = await this.#images(names, spec);
    try {
      const prompt = { exampleId: `case${this.#index}`, ids: ids.slice(0, numPrompt), images };
      await this.#comparePixels(names, spec, images, worst);
      const report = await callNative({}, () =>
        native.verifyCase(this.#policy.handle, {
          prompt,
          response: ids.slice(numPrompt),
          file: this.#golden.file,
          ...(names.length > 0 ? { imageEmbeds: this.#entry("image_embeds") } : {}),
          logits: this.#entry("logits"),
          logProbs: this.#entry("logprobs"),
          entropy: this.#entry("entropy"),
        }),
      );
      raise(worst, "max_abs_image_embeds", report.imageEmbeds);
      raise(worst, "max_abs_logits", report.logits);
      raise(worst, "max_abs_logprobs", report.logProbs);
      raise(worst, "max_abs_entropy", report.entropy);
      raise(worst, "max_abs_decode_logits", report.decodeLogits);
      this.#compareGradients(report, worst);
      const greedy = this.#integers("greedy");
      const sampled = await this.#greedy(prompt, greedy.length);
      return {
        positionsEqual: this.#positionsEqual(ids, images),
        greedyEqual: greedy.length === sampled.length && greedy.every((id, i) => id === sampled[i]),
      };
    } finally {
      for (const image of images) native.dispose(image);
    }
  }

  #case(): GoldenJson["cases"][number] {
    const found = this.#golden.json.cases[this.#index];
    if (!found) throw new RangeError(`no case ${this.#index}`);
    return found;
  }

  #entry(name: string): TensorEntry {
    const entry = this.#golden.header.tensors.get(`case${this.#index}.${name}`);
    if (!entry) throw new CheckpointError(this.#dir, `golden.safetensors has no case${this.#index}.${name}`);
    return entry;
  }

  #view(name: string): DataView {
    const { byteOffset, numBytes } = this.#entry(name);
    const { bytes } = this.#golden;
    return new DataView(bytes.buffer, bytes.byteOffset + byteOffset, numBytes);
  }

  #integers(name: string): number[] {
    const view = this.#view(name);
    return Array.from({ length: view.byteLength / 8 }, (_, i) => Number(view.getBigInt64(i * 8, true)));
  }

  async #images(names: readonly string[], spec: ImageSpec): Promise<ImageHandle[]> {
    const images: ImageHandle[] = [];
    for (const name of names) {
      const file = join(this.#dir, basename(name));
      const { rgb, width, height } = await decodeImage({ path: file }, { file, row: 1 });
      images.push(loadNative().createImage(rgb, height, width, spec));
    }
    return images;
  }

  async #comparePixels(names: readonly string[], spec: ImageSpec, images: ImageHandle[], worst: Numbers) {
    if (names.length === 0) return;
    const pil = await this.#images(names, { ...spec, resample: "pillow" });
    try {
      raise(worst, "max_abs_pixel_values", await this.#pixelError(images, "pixel_values"));
      raise(worst, "max_abs_pixel_values_pil", await this.#pixelError(pil, "pixel_values_pil"));
    } finally {
      for (const image of pil) loadNative().dispose(image);
    }
  }

  async #pixelError(images: readonly ImageHandle[], name: string): Promise<number> {
    const expected = this.#view(name);
    let at = 0;
    let worst = 0;
    for (const image of images) {
      const values = await callNative({}, () => loadNative().pixelValues(image, null));
      if ((at + values.length) * 4 > expected.byteLength) return Infinity;
      for (const value of values) worst = Math.max(worst, Math.abs(value - expected.getFloat32(4 * at++, true)));
    }
    return at * 4 === expected.byteLength ? worst : Infinity;
  }

  #positionsEqual(ids: Int32Array, images: readonly ImageHandle[]): boolean {
    const native = loadNative();
    const imageGridThw = images.map((image) => native.imageInfo(image).gridThw);
    const ours = native.ropePositions(this.#policy.config, { ids, imageGridThw });
    const expected = this.#integers("position_ids");
    return ours.length === expected.length && expected.every((value, i) => value === ours[i]);
  }

  #compareGradients(report: VerifyReport, worst: Numbers): void {
    const norms = this.#gradients("grad_norm");
    const probes = this.#gradients("grad_probe");
    const shapes = new Map(
      loadNative()
        .policyTensors(this.#policy.handle)
        .map(({ name, shape }) => [name, shape]),
    );
    for (const { name, norm, probe } of report.grads) {
      // A tensor that no case reaches (the tower of a text-only prompt) has no golden gradient, and none here.
      const goldenNorm = norms.get(name) ?? 0;
      const goldenProbe = probes.get(name) ?? 0;
      const numel = (shapes.get(name) ?? []).reduce((product, size) => product * size, 1);
      const scale = Math.max(goldenNorm, 1e-30);
      raise(worst, "max_rel_grad_norm", Math.abs(norm - goldenNorm) / scale);
      raise(worst, "max_grad_probe", Math.abs(probe - goldenProbe) / (scale * Math.sqrt(numel / 2)));
      norms.delete(name);
    }
    if (norms.size > 0) raise(worst, "max_rel_grad_norm", Infinity);
  }

  #gradients(kind: "grad_norm" | "grad_probe"): Map<string, number> {
    const values = this.#golden.json[`${kind}_case${this.#index}`] as Record<string, number>;
    return new Map(Object.entries(values).map(([name, value]) => [canonicalName(name), value]));
  }

  async #greedy(prompt: Parameters<ReturnType<typeof loadNative>["generate"]>[1][number], maxTokens: number) {
    const { config, handle } = this.#policy;
    const spec = {
      temperature: 0,
      topP: 1,
      topK: 0,
      n: 1,
      maxTokens,
      stopIds: config.eosTokenIds,
      forbiddenIds: [config.imageTokenId, config.videoTokenId, config.visionStartTokenId, config.visionEndTokenId],
      seed: 0,
      purpose: 0,
      step: 0,
      maxConcurrent: 1,
    };
    const groups = await callNative({}, (watch) => loadNative().generate(handle, [prompt], spec, watch));
    return groups[0]?.[0]?.ids ?? new Int32Array();
  }
}

/** Keeps the larger value; nan counts as infinite. */
function raise(worst: Numbers, key: keyof Numbers, value: number): void {
  worst[key] = Math.max(worst[key], Number.isNaN(value) ? Infinity : value);
}
