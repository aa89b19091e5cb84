// Sizes of the published Qwen2.5-VL models by name, so that a run can be planned before its checkpoint is there.
import { existsSync } from "node:fs";
import { ConfigError } from "../errors.ts";
import { readModelConfig } from "../policy/model-config.ts";
import type { TextConfig, VisionConfig } from "../policy/model-config.ts";
import type { ModelSizes } from "./weights.ts";

interface Published {
  readonly text: Pick<
    TextConfig,
    "hiddenSize" | "intermediateSize" | "numLayers" | "numHeads" | "numKvHeads" | "vocabSize"
  >;
  readonly tied: boolean;
  /** Inner size of the vision tower's blocks. */
  readonly visionInner: number;
}

const text = (
  [hiddenSize, intermediateSize, numLayers]: readonly [number, number, number],
  [numHeads, numKvHeads, vocabSize]: readonly [number, number, number],
) => ({ hiddenSize, intermediateSize, numLayers, numHeads, numKvHeads, vocabSize });

/** Source: config.json of Qwen/Qwen2.5-VL-<size>-Instruct on the hub. */
const published: Readonly<Record<string, Published>> = {
  "3B": { text: text([2048, 11008, 36], [16, 2, 151936]), tied: true, visionInner: 3420 },
  "7B": { text: text([3584, 18944, 28], [28, 4, 152064]), tied: false, visionInner: 3420 },
  "32B": { text: text([5120, 27648, 64], [40, 8, 152064]), tied: false, visionInner: 3456 },
  "72B": { text: text([8192, 29568, 80], [64, 8, 152064]), tied: false, visionInner: 3456 },
};

/** "3B" of "Qwen/Qwen2.5-VL-3B-Instruct"; undefined for a name of no published size. */
export function publishedSize(modelPath: string): string | undefined {
  const size = /qwen2\.5-vl-(\d+b)(?![\w.])/iu.exec(modelPath)?.[1]?.toUpperCase();
  return size !== undefined && Object.hasOwn(published, size) ? size : undefined;
}

/** @throws {ConfigError} naming the known sizes */
export function publishedModelSizes(modelPath: string): ModelSizes {
  const model = published[publishedSize(modelPath) ?? ""];
  if (model === undefined) {
    const names = Object.keys(published).join(", ");
    throw new ConfigError(
      "model.path",
      `expected a checkpoint folder or a name with Qwen2.5-VL-<size> (${names}), got ${JSON.stringify(modelPath)}`,
    );
  }
  const vision: VisionConfig = {
    ...{ depth: 32, hiddenSize: 1280, numHeads: 16, intermediateSize: model.visionInner },
    outHiddenSize: model.text.hiddenSize,
    ...{ patchSize: 14, temporalPatchSize: 2, spatialMergeSize: 2, windowSize: 112, inChannels: 3 },
    fullattBlockIndexes: [7, 15, 23, 31],
    tokensPerSecond: 2,
  };
  return {
    text: {
      ...model.text,
      headSize: 128,
      ...{ rmsNormEps: 1e-6, ropeTheta: 1e6, mropeSection: [16, 24, 24], tieWordEmbeddings: model.tied },
    },
    vision,
  };
}

/**
 * Sizes of the model at `modelPath`: a checkpoint folder's own, or the published ones of that name.
 * @throws {ConfigError | CheckpointError}
 */
export async function modelSizesOf(modelPath: string): Promise<ModelSizes> {
  return existsSync(modelPath) ? await readModelConfig(modelPath) : publishedModelSizes(modelPath);
}
