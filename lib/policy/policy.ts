// A policy for TypeScript: opened from and saved to checkpoint folders, a thin class over the native handle.
import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { CheckpointError, NativeError } from "../errors.ts";
import type { DeviceName, PolicyHandle, PolicyOptions } from "../native/binding.ts";
import { callNative, type CallOptions } from "../native/call.ts";
import { loadNative } from "../native/load.ts";
import { planLoad, planSave, type SaveFile } from "./checkpoint-folder.ts";
import { type ModelConfig, readModelConfig, type WeightDtype } from "./model-config.ts";
import { copySideFiles, writeConfig } from "./side-files.ts";

export interface OpenOptions extends CallOptions {
  /** Type of the weights in memory, whatever the files hold. */
  readonly dtype?: "float32" | "bfloat16";
  /** Hold gradients. */
  readonly trained?: boolean;
  readonly freezeVisionTower?: boolean;
  readonly checkpointActivations?: PolicyOptions["checkpointActivations"];
  /** Where its weights are and its passes run. Default cpu. */
  readonly device?: DeviceName;
}

export interface SaveOptions extends CallOptions {
  /** Of the files; the source checkpoint's unless told otherwise. */
  readonly dtype?: WeightDtype;
  readonly maxShardBytes?: number;
  /** Folders whose tokenizer and processor files go beside the weights, the later over the earlier; the source's own. */
  readonly sideFileDirs?: readonly string[];
}

export class Policy implements Disposable {
  readonly config: ModelConfig;
  readonly handle: PolicyHandle;
  readonly #dir: string;

  private constructor(dir: string, config: ModelConfig, handle: PolicyHandle) {
    this.#dir = dir;
    this.config = config;
    this.handle = handle;
  }

  /**
   * Loads a checkpoint folder in the hub's layout; peak memory is one copy of the weights (and of the gradients).
   * @throws {CheckpointError} when the folder is not a sound Qwen2.5-VL checkpoint
   */
  static async open(dir: string, options: OpenOptions = {}): Promise<Policy> {
    const config = await readModelConfig(dir);
    const native = loadNative();
    // Before any weight has memory: a folder that does not fit costs nothing.
    const plan = await planLoad(dir, await callNative({}, () => native.modelTensors(config)));
    const policy = await Policy.#create(dir, config, options);
    try {
      for (const file of plan.files) {
        await callNative(options, (watch) => native.readPolicy(policy.handle, file.path, file.entries, watch));
      }
      return policy;
    } catch (error) {
      policy[Symbol.dispose]();
      throw asCheckpointError(dir, error);
    }
  }

  /** A policy with random weights for the configuration of `dir` (Normal(0, 0.02), unit norms, zero biases). */
  static async initialize(dir: string, seed: number, options: OpenOptions = {}): Promise<Policy> {
    const policy = await Policy.#create(dir, await readModelConfig(dir), options);
    await callNative(options, (watch) => loadNative().initializeWeights(policy.handle, seed, watch));
    return policy;
  }

  static async #create(dir: string, config: ModelConfig, options: OpenOptions): Promise<Policy> {
    const handle = await callNative(options, () =>
      loadNative().createPolicy(config, {
        dtype: options.dtype ?? "float32",
        trained: options.trained ?? false,
        freezeVisionTower: options.freezeVisionTower ?? false,
        checkpointActivations: options.checkpointActivations ?? false,
        device: options.device ?? "cpu",
      }),
    );
    return new Policy(dir, config, handle);
  }

  /**
   * Writes a folder that transformers' `from_pretrained` opens: the weights in the dtype of the source checkpoint
   * unless told otherwise, and the source's configuration, tokenizer and processor files.
   * @param dir an empty or absent folder
   * @throws {CheckpointError} when a file cannot be written or is there already; a half-written one is removed
   */
  async save(dir: string, options: SaveOptions = {}): Promise<void> {
    const native = loadNative();
    await mkdir(dir, { recursive: true });
    const dtype = options.dtype ?? this.config.dtype;
    for (const from of options.sideFileDirs ?? [this.#dir]) await copySideFiles(from, dir);
    await writeConfig(dir, this.config.raw, dtype);
    const plan = planSave(dir, native.policyTensors(this.handle), dtype, options.maxShardBytes);
    for (const file of plan.files) await this.#write(dir, file, options);
    if (plan.index) await writeFile(plan.index.path, plan.index.text);
  }

  async #write(dir: string, { path, header, entries }: SaveFile, options: SaveOptions): Promise<void> {
    const native = loadNative();
    if (existsSync(path)) throw new CheckpointError(dir, `expected no ${basename(path)}, got one`);
    try {
      await callNative(options, (watch) => native.writePolicy(this.handle, path, header, entries, watch));
    } catch (error) {
      await rm(path, { force: true }); // half of it would look like a checkpoint
      throw asCheckpointError(dir, error);
    }
  }

  [Symbol.dispose](): void {
    loadNative().dispose(this.handle);
  }
}

/** A failed read or write as the folder's error; anything else as it is. */
function asCheckpointError(dir: string, error: unknown): unknown {
  if (!(error instanceof NativeError) || error.code !== "E_IO") return error;
  return new CheckpointError(dir, error.message, { cause: error });
}
