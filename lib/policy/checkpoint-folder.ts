// Which bytes of which files of a checkpoint folder are which tensor: the plan that native code loads or saves by.
// Owns the hub's folder layout (one file, or an index with shards), both tensor namings and the comparison with what
// the model expects. Reads headers only.
import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError } from "../errors.ts";
import { isJsonObject, readJsonObject } from "./json-file.ts";
import type { WeightDtype } from "./model-config.ts";
import { layoutTensors, shardTensors } from "./safetensors-layout.ts";
import { readHeader } from "./safetensors.ts";
import type { TensorDtype, TensorEntry } from "./safetensors.ts";
import { canonicalName } from "./tensor-names.ts";

export interface TensorShape {
  /** Canonical: `model.layers.0.mlp.up_proj.weight`, `visual.merger.ln_q.weight`, `lm_head.weight`. */
  readonly name: string;
  readonly shape: readonly number[];
}

export interface LoadFile {
  /** Of the file. */
  readonly path: string;
  /** The size that the header was checked against. */
  readonly fileBytes: number;
  /** Canonical names, in file order; F32, BF16 or F16 only. */
  readonly entries: readonly TensorEntry[];
}

/** Every expected tensor exactly once. */
export interface LoadPlan {
  readonly dir: string;
  readonly files: readonly LoadFile[];
  /** Of all tensors. */
  readonly totalBytes: number;
}

export interface SaveFile {
  readonly path: string;
  /** The file's first bytes, as they are. */
  readonly header: Uint8Array;
  /** Canonical names, in file order, without gaps after the header. */
  readonly entries: readonly TensorEntry[];
  readonly fileBytes: number;
}

export interface SavePlan {
  readonly dir: string;
  readonly files: readonly SaveFile[];
  /** `model.safetensors.index.json`, to be written as well; undefined for a single file. */
  readonly index: { readonly path: string; readonly text: string } | undefined;
  readonly totalBytes: number;
}

const singleFile = "model.safetensors";
const indexFile = "model.safetensors.index.json";
const indexMaxBytes = 64_000_000;
/** As transformers' save_pretrained. */
const defaultShardBytes = 5_000_000_000;
const loadableDtypes: readonly TensorDtype[] = ["F32", "BF16", "F16"];
const dtypeNames: Readonly<Record<WeightDtype, TensorDtype>> = { float32: "F32", bfloat16: "BF16", float16: "F16" };

export interface LoadOptions {
  /** The expected tensors are a part of the model's: others are left out. */
  readonly partial?: boolean;
  /** A stored name as the expected ones are written; default: {@link canonicalName}. */
  readonly nameOf?: (stored: string) => string;
}

/**
 * Where each of the model's tensors lies in a checkpoint folder. A stored `lm_head.weight` that is not expected (tied
 * embeddings) is left out.
 * @throws {CheckpointError} when there are no weights, a header is wrong, or tensors are missing, extra, of another
 *   shape or of another dtype than F32, BF16 and F16: every one of them in one error
 */
export async function planLoad(
  dir: string,
  expected: readonly TensorShape[],
  { partial = false, nameOf = canonicalName }: LoadOptions = {},
): Promise<LoadPlan> {
  const index = existsSync(join(dir, singleFile)) ? undefined : await readIndex(dir);
  const fileNames = index ? [...new Set(index.values())].sort() : [singleFile];
  const problems = new Problems();
  const shapes = new Map(expected.map(({ name, shape }) => [name, shape]));
  const seen = new Set<string>();
  const files: LoadFile[] = [];
  for (const fileName of fileNames) {
    const path = join(dir, fileName);
    const header = await readHeader(path);
    if (index) checkIndexed(fileName, header.tensors, index, problems);
    const entries = [...header.tensors.values()]
      .map((entry) => ({ ...entry, name: nameOf(entry.name) }))
      .filter(({ name }) => !partial || shapes.has(name))
      .filter((entry) => isWanted(entry, shapes, seen, problems))
      .sort((a, b) => a.byteOffset - b.byteOffset);
    files.push({ path, fileBytes: header.fileBytes, entries });
  }
  for (const name of shapes.keys()) if (!seen.has(name)) problems.add("missing", name);
  problems.throwIfAny(dir);
  return { dir, files, totalBytes: sum(files.flatMap(({ entries }) => entries.map(({ numBytes }) => numBytes))) };
}

/** Whether a stored tensor is loaded; what is wrong with it goes to `problems`. */
function isWanted(
  entry: TensorEntry,
  shapes: ReadonlyMap<string, readonly number[]>,
  seen: Set<string>,
  problems: Problems,
): boolean {
  const { name, dtype, shape } = entry;
  const expected = shapes.get(name);
  if (expected === undefined) {
    if (name !== "lm_head.weight") problems.add("extra", name);
    return false;
  }
  if (seen.has(name)) problems.add("there twice", name);
  seen.add(name);
  if (!loadableDtypes.includes(dtype)) problems.add(`not ${loadableDtypes.join(", ")}`, `${name} ${dtype}`);
  if (shape.length !== expected.length || shape.some((size, axis) => size !== expected[axis])) {
    problems.add("of another shape", `${name} [${shape.join(", ")}] instead of [${expected.join(", ")}]`);
  }
  return true;
}

/** Tensor name to file name. */
async function readIndex(dir: string): Promise<Map<string, string>> {
  const json = await readJsonObject(dir, indexFile, indexMaxBytes);
  if (json === undefined) throw new CheckpointError(dir, await whyNoWeights(dir));
  const { weight_map: weightMap } = json;
  if (!isJsonObject(weightMap)) throw new CheckpointError(dir, `${indexFile}: weight_map: expected an object`);
  const index = new Map<string, string>();
  for (const [name, fileName] of Object.entries(weightMap)) {
    if (typeof fileName !== "string" || !/^[\w.-]+\.safetensors$/.test(fileName)) {
      const got = JSON.stringify(fileName);
      throw new CheckpointError(
        dir,
        `${indexFile}: ${name}: expected a .safetensors file name in this folder, got ${got}`,
      );
    }
    index.set(name, fileName);
  }
  if (index.size === 0) throw new CheckpointError(dir, `${indexFile}: weight_map: expected tensors, got none`);
  checkShardsExist(dir, new Set(index.values()));
  return index;
}

function checkShardsExist(dir: string, fileNames: ReadonlySet<string>): void {
  const absent = [...fileNames].filter((fileName) => !existsSync(join(dir, fileName)));
  if (absent.length === 0) return;
  const problems = new Problems();
  for (const fileName of absent.sort()) problems.add("missing", fileName);
  throw new CheckpointError(dir, `${indexFile} names ${fileNames.size} files: ${problems.text()}`);
}

async function whyNoWeights(dir: string): Promise<string> {
  const info = await stat(dir).catch(() => undefined);
  if (!info?.isDirectory()) return "no such folder";
  const other = (await readdir(dir)).find((name) => /\.(bin|pt|pth|gguf)$/.test(name));
  const hint = other === undefined ? "" : `; ${other} cannot be read: save it as safetensors first`;
  return `expected ${singleFile} or ${indexFile}, got neither${hint}`;
}

function checkIndexed(
  fileName: string,
  tensors: ReadonlyMap<string, TensorEntry>,
  index: ReadonlyMap<string, string>,
  problems: Problems,
): void {
  for (const [name, place] of index) {
    if (place === fileName && !tensors.has(name)) problems.add(`not in the file that ${indexFile} names`, name);
  }
}

/**
 * Where each tensor goes in a new checkpoint folder that transformers' `from_pretrained` opens: the published naming,
 * in the given order, in shards of at most `maxShardBytes` of tensors.
 */
export function planSave(
  dir: string,
  tensors: readonly TensorShape[],
  dtype: WeightDtype,
  maxShardBytes = defaultShardBytes,
): SavePlan {
  const specs = tensors.map(({ name, shape }) => ({ name, shape, dtype: dtypeNames[dtype] }));
  const shards = shardTensors(specs, maxShardBytes);
  // transformers refuses files that do not say which framework wrote them.
  const files = shards.map(({ fileName, tensors: inShard }) => ({
    path: join(dir, fileName),
    ...layoutTensors(inShard, { format: "pt" }),
  }));
  const totalBytes = sum(files.map(({ fileBytes, header }) => fileBytes - header.length));
  if (shards.length === 1) return { dir, files, index: undefined, totalBytes };
  const weightMap = Object.fromEntries(
    shards.flatMap(({ fileName, tensors: inShard }) => inShard.map(({ name }) => [name, fileName])),
  );
  const text = JSON.stringify({ metadata: { total_size: totalBytes }, weight_map: weightMap }, null, 2) + "\n";
  return { dir, files, index: { path: join(dir, indexFile), text }, totalBytes };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** What is wrong with a folder's tensors, by kind. */
class Problems {
  readonly #byKind = new Map<string, string[]>();

  add(kind: string, what: string): void {
    const all = this.#byKind.get(kind);
    if (all) all.push(what);
    else this.#byKind.set(kind, [what]);
  }

  text(): string {
    return [...this.#byKind]
      .map(([kind, all]) => {
        return `${all.length} ${kind}: ${all.join(", ")}`;
      })
      .join("; ");
  }

  throwIfAny(dir: string): void {
    if (this.#byKind.size > 0) throw new CheckpointError(dir, `its tensors are not the model's: ${this.text()}`);
  }
}
