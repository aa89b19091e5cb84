// What ranks patches, opened from a folder: a DINOv2, or the vision tower of a policy's checkpoint.
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { CheckpointError, ConfigError, NativeError } from "../errors.ts";
import { fingerprint } from "../eval/fingerprint.ts";
import type {
  DeviceName,
  ImageHandle,
  ImageSpec,
  SaliencyModelConfig,
  SaliencyModelHandle,
  SaliencyRanking,
} from "../native/binding.ts";
import { callNative, type CallOptions } from "../native/call.ts";
import { loadNative } from "../native/load.ts";
import { planLoad } from "../policy/checkpoint-folder.ts";
import { readModelConfig } from "../policy/model-config.ts";
import { canonicalName } from "../policy/tensor-names.ts";
import { readDinov2Config } from "./dinov2-config.ts";

/** Whose attention it is, and how it is looked at: with the picture, all that a ranking depends on. */
export interface SaliencySource {
  readonly kind: SaliencyModelConfig["kind"];
  /** The model's folder. */
  readonly dir: string;
  /** Counted from 0, ascending. */
  readonly layers: readonly number[];
  /** How pictures are decoded and given to the policy, whose patches a tower looks at. */
  readonly imageSpec: ImageSpec;
  readonly exifRotate: boolean;
}

/** Of the paper, which gives no numbering: counted from 0, as transformers' `attentions`. */
export const dinov2Layers = [6, 7, 8, 9];

export interface SourceSettings {
  /** DINOv2's folder; null: the policy's vision tower. */
  readonly model: string | null;
  /** The policy's folder. */
  readonly policy: string | null;
  /** null: those of {@link dinov2Layers}, or the tower's blocks with full attention. */
  readonly layers: readonly number[] | null;
  readonly imageSpec: ImageSpec;
  readonly exifRotate: boolean;
  /** The setting that `layers` comes from, for messages. */
  readonly layersKey: string;
}

/**
 * Reads configurations, no weights.
 * @throws {CheckpointError} for a folder that is no such model, {ConfigError} for layers that it does not have
 */
export async function saliencySource(settings: SourceSettings): Promise<SaliencySource> {
  const { model, policy, imageSpec, exifRotate } = settings;
  const kind = model === null ? "qwen2_5_vl" : "dinov2";
  const dir = model ?? policy ?? "";
  const known = await layersOf(kind, dir);
  const layers = [...new Set(settings.layers ?? (kind === "dinov2" ? dinov2Layers : known))].sort((a, b) => a - b);
  const foreign = layers.filter((layer) => !known.includes(layer));
  if (layers.length === 0 || foreign.length > 0) {
    const which = kind === "dinov2" ? `0 to ${known.length - 1}` : `${known.join(", ")}, those with full attention`;
    throw new ConfigError(
      settings.layersKey,
      `expected layers of ${dir} (${which}), got ${layers.join(", ") || "none"}`,
    );
  }
  return { kind, dir, layers, imageSpec, exifRotate };
}

/** Layers whose attention is over the whole picture. */
async function layersOf(kind: SaliencySource["kind"], dir: string): Promise<number[]> {
  if (kind === "qwen2_5_vl") return [...(await readModelConfig(dir)).vision.fullattBlockIndexes].sort((a, b) => a - b);
  if (!(await stat(dir).catch(() => undefined))?.isDirectory())
    throw new CheckpointError(dir, "no such folder; expected a DINOv2 checkpoint folder");
  return [...Array((await readDinov2Config(dir)).numLayers).keys()];
}

/** What tells rankings of different sources apart; weights by samples of their files. */
export async function sourceFingerprint(source: SaliencySource): Promise<string> {
  const { kind, dir, layers, exifRotate } = source;
  const view = kind === "dinov2" ? (await readDinov2Config(dir)).input : source.imageSpec;
  const text = JSON.stringify([kind, await fingerprint(dir), layers, exifRotate, view]);
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** The model in memory. */
export class SaliencyModel implements Disposable {
  readonly #handle: SaliencyModelHandle;
  readonly #dir: string;
  readonly #layers: readonly number[];

  private constructor(handle: SaliencyModelHandle, { dir, layers }: SaliencySource) {
    this.#handle = handle;
    this.#dir = dir;
    this.#layers = layers;
  }

  /**
   * Loads what the layers need in float32.
   * @throws {CheckpointError} when tensors are missing or of another shape
   */
  static async open(source: SaliencySource, device: DeviceName, options: CallOptions = {}): Promise<SaliencyModel> {
    const native = loadNative();
    const config = await neededPart(source);
    const handle = await callNative(options, () => native.createSaliencyModel(config, device));
    try {
      const nameOf = source.kind === "dinov2" ? dinov2Name : canonicalName;
      const plan = await planLoad(source.dir, native.saliencyModelTensors(handle), { partial: true, nameOf });
      for (const { path, entries } of plan.files)
        await callNative(options, (watch) => native.readSaliencyModel(handle, path, entries, watch));
      return new SaliencyModel(handle, source);
    } catch (error) {
      native.dispose(handle);
      throw error;
    }
  }

  /** @throws {CheckpointError} when the attention is not finite, or a picture has over 65,536 patches */
  async rank(image: ImageHandle, options: CallOptions = {}): Promise<SaliencyRanking> {
    try {
      return await callNative(options, (watch) => loadNative().rankPatches(this.#handle, image, this.#layers, watch));
    } catch (error) {
      if (!(error instanceof NativeError) || error.code !== "E_VALUE") throw error;
      throw new CheckpointError(this.#dir, error.message, { cause: error });
    }
  }

  [Symbol.dispose](): void {
    loadNative().dispose(this.#handle);
  }
}

/** Nothing behind the last layer. */
async function neededPart({ kind, dir, layers }: SaliencySource): Promise<SaliencyModelConfig> {
  const depth = Math.max(...layers) + 1;
  if (kind === "dinov2") return { ...(await readDinov2Config(dir)), numLayers: depth };
  const { vision } = await readModelConfig(dir);
  const fullattBlockIndexes = vision.fullattBlockIndexes.filter((block) => block < depth);
  return { kind, vision: { ...vision, depth, fullattBlockIndexes } };
}

/** A model with a head on top keeps its encoder under a name of its own. */
const dinov2Name = (stored: string): string => stored.replace(/^dinov2(_with_registers)?\./, "");
