// The golden values beside a fixture's checkpoint: golden.json and golden.safetensors, checked before anything runs.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { CheckpointError } from "../errors.ts";
import { readJsonObject } from "./json-file.ts";
import type { ModelConfig } from "./model-config.ts";
import { readHeader, type SafetensorsHeader, type TensorEntry } from "./safetensors.ts";
import { canonicalName } from "./tensor-names.ts";

const jsonFile = "golden.json";
const tensorFile = "golden.safetensors";
const maxJsonBytes = 64_000_000;

const errorSize = z.number().min(0);
const errorsSchema = z.object({
  /** Absent where no case has a picture. */
  image_embeds: errorSize.default(0),
  logits: errorSize,
  logprobs: errorSize,
  entropy: errorSize,
  rel_grad_norm: errorSize,
  grad_probe: errorSize,
});
const caseSchema = z.object({ images: z.array(z.string().min(1)), n_prompt: z.int().min(1) });
const goldenSchema = z.object({ cases: z.array(caseSchema).min(1), bfloat16: errorsSchema.optional() });
const gradientsSchema = z.record(z.string(), z.number());

/** Largest errors of transformers' own bfloat16 run against the float32 golden values, over all cases. */
export type GoldenErrors = z.infer<typeof errorsSchema>;
/** One prompt: its pictures' files, and how many of its ids are prompt. */
export type GoldenCase = z.infer<typeof caseSchema>;
type GradientKind = "grad_norm" | "grad_probe";
/** By gradient kind and case, then by canonical tensor name. */
type Gradients = ReadonlyMap<string, ReadonlyMap<string, number>>;

export class Golden {
  readonly dir: string;
  readonly cases: readonly GoldenCase[];
  /** Undefined in folders of generators that do not run bfloat16. */
  readonly bfloat16: GoldenErrors | undefined;
  readonly file: string;
  readonly #gradients: Gradients;
  readonly #header: SafetensorsHeader;
  readonly #bytes: Buffer;

  private constructor(
    dir: string,
    json: ReturnType<typeof parseJson>,
    tensors: Awaited<ReturnType<typeof readTensors>>,
  ) {
    this.dir = dir;
    this.cases = json.cases;
    this.bfloat16 = json.bfloat16;
    this.#gradients = json.gradients;
    this.file = tensors.file;
    this.#header = tensors.header;
    this.#bytes = tensors.bytes;
  }

  /** @throws {CheckpointError} naming the file, the key, the rule and what came */
  static async read(dir: string): Promise<Golden> {
    const json = await readJsonObject(dir, jsonFile, maxJsonBytes);
    if (!json) throw new CheckpointError(dir, `not a fixture folder: no ${jsonFile}`);
    return new Golden(dir, parseJson(dir, json), await readTensors(dir));
  }

  /** @throws {CheckpointError} when there is no such tensor */
  entry(index: number, name: string): TensorEntry {
    const entry = this.#header.tensors.get(`case${index}.${name}`);
    if (!entry) throw new CheckpointError(this.dir, `${tensorFile}: no case${index}.${name}`);
    return entry;
  }

  view(index: number, name: string): DataView {
    const { byteOffset, numBytes } = this.entry(index, name);
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset + byteOffset, numBytes);
  }

  /** The values of an int64 tensor. */
  integers(index: number, name: string): number[] {
    const view = this.view(index, name);
    return Array.from({ length: view.byteLength / 8 }, (_, i) => Number(view.getBigInt64(i * 8, true)));
  }

  /** By canonical tensor name. */
  gradients(index: number, kind: GradientKind): ReadonlyMap<string, number> {
    return this.#gradients.get(`${kind}_case${index}`) ?? new Map<string, number>();
  }

  /** Root of the mean square of a float32 tensor, over all cases that have it; 0 where none has. */
  rms(name: string): number {
    let sum = 0;
    let count = 0;
    for (const index of this.cases.keys()) {
      if (!this.#header.tensors.has(`case${index}.${name}`)) continue;
      const view = this.view(index, name);
      for (let at = 0; at < view.byteLength; at += 4) sum += view.getFloat32(at, true) ** 2;
      count += view.byteLength / 4;
    }
    return count === 0 ? 0 : Math.sqrt(sum / count);
  }

  /**
   * Checks every tensor against the model.
   * @throws {CheckpointError} naming the tensor, the rule and what came
   */
  check(config: ModelConfig): void {
    for (const [index, { images, n_prompt: numPrompt }] of this.cases.entries()) {
      const length = this.#checkIds(index, numPrompt, config);
      this.#expect(index, "position_ids", "I64", [3, length]);
      this.#expect(index, "greedy", "I64", ["n"]);
      this.#expect(index, "logits", "F32", [length, config.text.vocabSize]);
      for (const name of ["logprobs", "entropy"]) this.#expect(index, name, "F32", [length - numPrompt]);
      if (images.length > 0) this.#checkPictures(index, config);
    }
  }

  #checkIds(index: number, numPrompt: number, config: ModelConfig): number {
    this.#expect(index, "input_ids", "I64", ["n"]);
    const ids = this.integers(index, "input_ids");
    if (numPrompt >= ids.length) {
      const rule = `expected less than the ${ids.length} of case${index}.input_ids`;
      throw new CheckpointError(this.dir, `${jsonFile}: cases.${index}.n_prompt: ${rule}, got ${numPrompt}`);
    }
    const foreign = ids.find((id) => id < 0 || id >= config.text.vocabSize);
    if (foreign !== undefined) {
      this.#fail(index, "input_ids", `expected ids in [0, ${config.text.vocabSize}), got ${foreign}`);
    }
    const marks = ids.map((id) => id === config.imageTokenId);
    const expected = this.#numImageTokens(index, config);
    const inPrompt = marks.slice(0, numPrompt).filter(Boolean).length;
    if (inPrompt !== expected || marks.includes(true, numPrompt)) {
      this.#fail(index, "input_ids", `expected ${expected} image tokens, all in the prompt, got ${inPrompt} there`);
    }
    return ids.length;
  }

  #numImageTokens(index: number, config: ModelConfig): number {
    const numImages = this.cases[index]?.images.length ?? 0;
    if (numImages === 0) return 0;
    this.#expect(index, "image_grid_thw", "I64", [numImages, 3]);
    return this.#numPatches(index) / config.vision.spatialMergeSize ** 2;
  }

  #numPatches(index: number): number {
    const sizes = this.integers(index, "image_grid_thw");
    let sum = 0;
    for (let i = 0; i < sizes.length; i += 3) sum += sizes.slice(i, i + 3).reduce((product, size) => product * size, 1);
    return sum;
  }

  #checkPictures(index: number, config: ModelConfig): void {
    const { inChannels, temporalPatchSize, patchSize } = config.vision;
    const patches = [this.#numPatches(index), inChannels * temporalPatchSize * patchSize ** 2];
    for (const name of ["pixel_values", "pixel_values_pil"]) this.#expect(index, name, "F32", patches);
    this.#expect(index, "image_embeds", "F32", [this.#numImageTokens(index, config), config.text.hiddenSize]);
  }

  /** `"n"` stands for any size but 0. */
  #expect(index: number, name: string, dtype: string, shape: readonly (number | "n")[]): void {
    const found = this.entry(index, name);
    const same =
      found.shape.length === shape.length &&
      found.shape.every((size, i) => (shape[i] === "n" ? size > 0 : size === shape[i]));
    if (same && found.dtype === dtype) return;
    this.#fail(index, name, `expected ${dtype} [${shape.join(", ")}], got ${found.dtype} [${found.shape.join(", ")}]`);
  }

  #fail(index: number, name: string, text: string): never {
    throw new CheckpointError(this.dir, `${tensorFile}: case${index}.${name}: ${text}`);
  }
}

function parseJson(dir: string, json: Readonly<Record<string, unknown>>) {
  const { cases, bfloat16 } = parsePart(dir, "", goldenSchema, json);
  const gradients = new Map<string, ReadonlyMap<string, number>>();
  for (const index of cases.keys()) {
    for (const key of [`grad_norm_case${index}`, `grad_probe_case${index}`]) {
      const values = Object.entries(parsePart(dir, key, gradientsSchema, json[key]));
      gradients.set(key, new Map(values.map(([name, value]) => [canonicalName(name), value])));
    }
  }
  return { cases, bfloat16, gradients };
}

function parsePart<T>(dir: string, key: string, schema: z.ZodType<T>, value: unknown): T {
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  const { path, message } = error.issues[0] ?? { path: [], message: "not as expected" };
  const where = [...(key === "" ? [] : [key]), ...path.map(String)].join(".");
  throw new CheckpointError(dir, `${jsonFile}: ${where}: ${message}`);
}

async function readTensors(dir: string) {
  const file = join(dir, tensorFile);
  const header = await readHeader(file);
  return { file, header, bytes: await readFile(file) };
}
