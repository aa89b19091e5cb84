// Comparison of papo's Qwen2.5-VL with golden values of transformers, in a fixture folder: an ordinary checkpoint with
// golden.json and golden.safetensors beside it.
import { basename, join } from "node:path";
import { decodeImage } from "../data/image.ts";
import { CheckpointError } from "../errors.ts";
import type { DeviceName, ImageHandle, ImageSpec, VerifyReport } from "../native/binding.ts";
import { callNative } from "../native/call.ts";
import { loadNative } from "../native/load.ts";
import { readImageSpec } from "../processor/image-size.ts";
import { Golden, type GoldenErrors } from "./golden.ts";
import { Policy } from "./policy.ts";

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
 * Transformers' bfloat16 errors where a folder does not say them: shares of the golden values' root mean square, and for
 * gradients the largest seen on the generator's presets.
 */
const usualShares = { image_embeds: 0.04, logits: 0.056, logprobs: 0.034, entropy: 0.034 };
const usualGradientErrors = { rel_grad_norm: 0.021, grad_probe: 0.0096 };

function usualErrors(golden: Golden): GoldenErrors {
  const logits = golden.rms("logits");
  return {
    image_embeds: usualShares.image_embeds * golden.rms("image_embeds"),
    logits: usualShares.logits * logits,
    logprobs: usualShares.logprobs * logits,
    entropy: usualShares.entropy * logits,
    ...usualGradientErrors,
  };
}

/** Twice the errors of transformers' own bfloat16 run. Pixels stay float32. */
function bfloat16Bounds(golden: Golden): Readonly<Numbers> {
  const errors = golden.bfloat16;
  const theirs = errors ?? usualErrors(golden);
  // A probe is one noisy sum, 2.07 times transformers' seen between sound runs; the error of a norm is of its size.
  const probe = errors ? Math.max(errors.grad_probe, errors.rel_grad_norm) : theirs.grad_probe;
  return {
    ...float32Bounds,
    max_abs_image_embeds: 2 * theirs.image_embeds,
    max_abs_logits: 2 * theirs.logits,
    max_abs_logprobs: 2 * theirs.logprobs,
    max_abs_entropy: 2 * theirs.entropy,
    max_abs_decode_logits: 2 * theirs.logits,
    max_rel_grad_norm: 2 * theirs.rel_grad_norm,
    max_grad_probe: 2 * probe,
  };
}

/**
 * Runs every case of a fixture folder.
 * @throws {CheckpointError} when the folder is not a fixture, or a broken one: the file, the rule and what came
 */
export async function verify(
  dir: string,
  dtype: "float32" | "bfloat16" = "float32",
  device: DeviceName = "cpu",
): Promise<VerifyResult> {
  const golden = await Golden.read(dir);
  using policy = await Policy.open(dir, { dtype, device, trained: true });
  golden.check(policy.config);
  const worst = Object.fromEntries(Object.keys(float32Bounds).map((key) => [key, 0])) as unknown as Numbers;
  let positionsEqual = true;
  let greedyEqual = true;
  for (const index of golden.cases.keys()) {
    const outcome = await new CaseCheck(policy, golden, index).run(worst);
    positionsEqual &&= outcome.positionsEqual;
    greedyEqual &&= outcome.greedyEqual;
  }
  const bounds = dtype === "float32" ? float32Bounds : bfloat16Bounds(golden);
  const within = (Object.keys(bounds) as (keyof Numbers)[]).every((key) => worst[key] <= bounds[key]);
  // In bfloat16 two nearly equal logits may change places, in transformers' own run too.
  const ok = within && positionsEqual && (greedyEqual || dtype === "bfloat16");
  return { ...worst, position_ids_equal: positionsEqual, greedy_equal: greedyEqual, ok };
}

/** One case of a fixture: case<index>.* in golden.safetensors. */
class CaseCheck {
  readonly #policy: Policy;
  readonly #golden: Golden;
  readonly #index: number;

  constructor(policy: Policy, golden: Golden, index: number) {
    this.#policy = policy;
    this.#golden = golden;
    this.#index = index;
  }

  async run(worst: Numbers): Promise<{ positionsEqual: boolean; greedyEqual: boolean }> {
    const native = loadNative();
    const { images: names, n_prompt: numPrompt } = this.#case();
    const ids = Int32Array.from(this.#golden.integers(this.#index, "input_ids"));
    const spec = await readImageSpec(this.#golden.dir, { trainerMinPixels: 0, trainerMaxPixels: 0 });
    const images = await this.#images(names, spec);
    try {
      this.#checkGrids(images);
      const prompt = { exampleId: `case${this.#index}`, ids: ids.slice(0, numPrompt), images };
      await this.#comparePixels(names, spec, images, worst);
      const report = await callNative({}, () =>
        native.verifyCase(this.#policy.handle, {
          prompt,
          response: ids.slice(numPrompt),
          file: this.#golden.file,
          ...(names.length > 0 ? { imageEmbeds: this.#golden.entry(this.#index, "image_embeds") } : {}),
          logits: this.#golden.entry(this.#index, "logits"),
          logProbs: this.#golden.entry(this.#index, "logprobs"),
          entropy: this.#golden.entry(this.#index, "entropy"),
        }),
      );
      raise(worst, "max_abs_image_embeds", report.imageEmbeds);
      raise(worst, "max_abs_logits", report.logits);
      raise(worst, "max_abs_logprobs", report.logProbs);
      raise(worst, "max_abs_entropy", report.entropy);
      raise(worst, "max_abs_decode_logits", report.decodeLogits);
      this.#compareGradients(report, worst);
      const greedy = this.#golden.integers(this.#index, "greedy");
      const sampled = await this.#greedy(prompt, greedy.length);
      return {
        positionsEqual: this.#positionsEqual(ids, images),
        greedyEqual: greedy.length === sampled.length && greedy.every((id, i) => id === sampled[i]),
      };
    } finally {
      for (const image of images) native.dispose(image);
    }
  }

  #case() {
    const found = this.#golden.cases[this.#index];
    if (!found) throw new RangeError(`no case ${this.#index}`);
    return found;
  }

  async #images(names: readonly string[], spec: ImageSpec): Promise<ImageHandle[]> {
    const images: ImageHandle[] = [];
    for (const name of names) {
      const file = join(this.#golden.dir, basename(name));
      const { rgb, width, height } = await decodeImage({ path: file }, { file, row: 1 });
      images.push(loadNative().createImage(rgb, height, width, spec));
    }
    return images;
  }

  #checkGrids(images: readonly ImageHandle[]): void {
    const ours = images.flatMap((image) => [...loadNative().imageInfo(image).gridThw]);
    const theirs = images.length > 0 ? this.#golden.integers(this.#index, "image_grid_thw") : [];
    if (theirs.every((size, i) => size === ours[i])) return;
    const rule = `expected the pictures' [${ours.join(", ")}], got [${theirs.join(", ")}]`;
    throw new CheckpointError(this.#golden.dir, `golden.safetensors: case${this.#index}.image_grid_thw: ${rule}`);
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
    const expected = this.#golden.view(this.#index, name);
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
    const expected = this.#golden.integers(this.#index, "position_ids");
    return ours.length === expected.length && expected.every((value, i) => value === ours[i]);
  }

  #compareGradients(report: VerifyReport, worst: Numbers): void {
    const norms = new Map(this.#golden.gradients(this.#index, "grad_norm"));
    const probes = this.#golden.gradients(this.#index, "grad_probe");
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
