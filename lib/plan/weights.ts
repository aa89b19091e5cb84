// How many weights a Qwen2.5-VL has, and how many of them a token or a patch is multiplied by.
import type { ModelConfig, TextConfig, VisionConfig } from "../policy/model-config.ts";

/** The sizes that arithmetic and memory follow from. */
export type ModelSizes = Pick<ModelConfig, "text" | "vision">;

/** Weights of one decoder layer's products: q, k, v, o, gate, up, down. */
export function languageLayerWeights({ hiddenSize, intermediateSize, numHeads, numKvHeads, headSize }: TextConfig) {
  return hiddenSize * headSize * (2 * numHeads + 2 * numKvHeads) + 3 * hiddenSize * intermediateSize;
}

/** Those of them behind the attention: o, gate, up, down. */
export function languageOutputWeights({ hiddenSize, intermediateSize, numHeads, headSize }: TextConfig): number {
  return hiddenSize * headSize * numHeads + 3 * hiddenSize * intermediateSize;
}

/** Weights of one vision block's products: qkv, proj, gate, up, down. */
export function visionBlockWeights({ hiddenSize, intermediateSize }: VisionConfig): number {
  return 4 * hiddenSize * hiddenSize + 3 * hiddenSize * intermediateSize;
}

/** Numbers in one patch: channels x frames x pixels. */
export function patchNumel({ inChannels, temporalPatchSize, patchSize }: VisionConfig): number {
  return inChannels * temporalPatchSize * patchSize * patchSize;
}

/** Weights of the merger's two products. */
export function mergerWeights({ hiddenSize, spatialMergeSize, outHiddenSize }: VisionConfig): number {
  const merged = hiddenSize * spatialMergeSize ** 2;
  return merged * (merged + outHiddenSize);
}

export interface NumWeights {
  readonly vision: number;
  /** With embedding and head. */
  readonly language: number;
  /** Those that a decoding step reads: the layers and the head, without an embedding of its own. */
  readonly decoding: number;
}

/** All weights, norms and biases included. Source of the shapes: native/model/qwen2_5_vl/weights.cc. */
export function numWeights({ text, vision }: ModelSizes): NumWeights {
  const { hiddenSize, numHeads, numKvHeads, headSize, numLayers, vocabSize } = text;
  const layerVectors = (numHeads + 2 * numKvHeads) * headSize + 2 * hiddenSize;
  const embedding = vocabSize * hiddenSize;
  const decoding = numLayers * (languageLayerWeights(text) + layerVectors) + hiddenSize + embedding;
  const merged = vision.hiddenSize * vision.spatialMergeSize ** 2;
  const blockVectors = 6 * vision.hiddenSize + 2 * vision.intermediateSize + vision.hiddenSize;
  const mergerVectors = vision.hiddenSize + merged + vision.outHiddenSize;
  return {
    vision:
      patchNumel(vision) * vision.hiddenSize +
      vision.depth * (visionBlockWeights(vision) + blockVectors) +
      mergerWeights(vision) +
      mergerVectors,
    language: decoding + (text.tieWordEmbeddings ? 0 : embedding),
    decoding,
  };
}
