// Arithmetic of one packed pass over groups, as native/model/qwen2_5_vl/policy.cc runs it: each picture through the
// vision tower once, the prompt once, n - 1 rows for a response of n tokens, and the head on the n rows that predict
// them; behind the last layer's attention only rows that predict something go on. A product [M, K] x [K, N] counts 2 MKN;
// attention counts 4 E a head for each visible (query, key) pair. Norms, activations, rotations and softmax are not
// counted. What a step does with passes, and which of them need the tower, is step-flops.ts.
import type { VisionConfig } from "../policy/model-config.ts";
import {
  languageLayerWeights,
  languageOutputWeights,
  mergerWeights,
  patchNumel,
  visionBlockWeights,
} from "./weights.ts";
import type { ModelSizes } from "./weights.ts";

/** Frames, rows and columns of a picture, in patches. */
export type GridThw = readonly [time: number, height: number, width: number];

/** Sizes of one prompt and its responses. */
export interface GroupShape {
  /** Picture tokens included; >= 1. */
  readonly promptTokens: number;
  /** Of each picture; height and width are multiples of the merge size. */
  readonly grids: readonly GridThw[];
  /** [n] tokens. */
  readonly responseLengths: readonly number[];
}

/** FLOP by part; the parts differ in what a backward pass adds (step-flops.ts). */
export interface PassFlops {
  /** The patch embedding, one product. */
  readonly patchEmbed: number;
  readonly visionLinear: number;
  readonly visionAttention: number;
  readonly merger: number;
  /** The decoder layers' products. */
  readonly body: number;
  readonly attention: number;
  readonly head: number;
}

type Part = keyof PassFlops;
const parts: readonly Part[] = [
  ...(["patchEmbed", "visionLinear", "visionAttention", "merger"] as const),
  ...(["body", "attention", "head"] as const),
];

/** The passes' sum, part by part. */
export function addFlops(passes: readonly PassFlops[]): PassFlops {
  return mapParts((part) => passes.reduce((sum, pass) => sum + pass[part], 0));
}

/** Each part times its factor. */
export function scaleFlops(pass: PassFlops, factor: (part: Part) => number): PassFlops {
  return mapParts((part) => pass[part] * factor(part));
}

function mapParts(value: (part: Part) => number): PassFlops {
  return Object.fromEntries(parts.map((part) => [part, value(part)])) as unknown as PassFlops;
}

export function totalFlops(pass: PassFlops): number {
  return parts.reduce((sum, part) => sum + pass[part], 0);
}

/** The vision tower's share of a pass. */
export function visionFlops({ patchEmbed, visionLinear, visionAttention, merger }: PassFlops): number {
  return patchEmbed + visionLinear + visionAttention + merger;
}

export const noTower = { patchEmbed: 0, visionLinear: 0, visionAttention: 0, merger: 0 } as const;

/** A pass whose pictures' embeddings are there. */
export function withoutTower(pass: PassFlops): PassFlops {
  return { ...pass, ...noTower };
}

/** The tower's part of a pass. */
export function towerOnly(pass: PassFlops): PassFlops {
  return { ...pass, body: 0, attention: 0, head: 0 };
}

/** Sum over the tiles of `length` cut into pieces of `tile` of each tile's square. */
function tileSquares(length: number, tile: number): number {
  const rest = length % tile;
  return ((length - rest) / tile) * tile * tile + rest * rest;
}

/** (query, key) pairs of a picture in a window block and in a full block; frames do not see each other. */
function visionPairs([frames, height, width]: GridThw, config: VisionConfig): { window: number; full: number } {
  const { spatialMergeSize, windowSize, patchSize } = config;
  const side = Math.floor(windowSize / spatialMergeSize / patchSize); // merge units
  const squares = (patches: number) => tileSquares(patches / spatialMergeSize, side) * spatialMergeSize ** 2;
  return { window: frames * squares(height) * squares(width), full: frames * (height * width) ** 2 };
}

/** FLOP of the vision tower over pictures, forward. */
export function visionPassFlops(
  config: VisionConfig,
  grids: readonly GridThw[],
): Omit<PassFlops, "body" | "attention" | "head"> {
  let [patches, windowPairs, fullPairs] = [0, 0, 0];
  for (const grid of grids) {
    const pairs = visionPairs(grid, config);
    patches += grid[0] * grid[1] * grid[2];
    windowPairs += pairs.window;
    fullPairs += pairs.full;
  }
  const numFull = new Set(config.fullattBlockIndexes).size;
  const numWindow = config.depth - numFull;
  return {
    patchEmbed: 2 * patches * patchNumel(config) * config.hiddenSize,
    visionLinear: 2 * patches * config.depth * visionBlockWeights(config),
    visionAttention: 4 * config.hiddenSize * (numWindow * windowPairs + numFull * fullPairs),
    merger: (2 * patches * mergerWeights(config)) / config.spatialMergeSize ** 2,
  };
}

/**
 * Rows of a group: its responses', those of the head, those that predict (the prompt's last row for all responses at
 * once), and the (query, key) pairs that each head of each layer sees.
 */
export function groupRows({ promptTokens, responseLengths }: GroupShape) {
  let [response, head, responsePairs] = [0, 0, 0];
  for (const length of responseLengths) {
    const rows = Math.max(0, length - 1); // nothing is predicted from the last token
    response += rows;
    head += length;
    responsePairs += rows * promptTokens + (rows * (rows + 1)) / 2;
  }
  const predicting = response + (head > 0 ? 1 : 0);
  return { response, head, predicting, promptPairs: (promptTokens * (promptTokens + 1)) / 2, responsePairs };
}

/** What a pass through the language model has. */
export interface LanguageRows {
  readonly rows: number;
  /** Rows that go on behind the last layer's attention. */
  readonly predicting: number;
  /** (query, key) pairs a head. */
  readonly pairs: number;
  readonly headRows: number;
}

/** Language FLOP of a pass. */
export function languageFlops(
  { text }: ModelSizes,
  { rows, predicting, pairs, headRows }: LanguageRows,
): Pick<PassFlops, "body" | "attention" | "head"> {
  return {
    body: 2 * (rows * text.numLayers * languageLayerWeights(text) - (rows - predicting) * languageOutputWeights(text)),
    attention: 4 * pairs * text.headSize * text.numHeads * text.numLayers,
    head: 2 * headRows * text.vocabSize * text.hiddenSize,
  };
}

/** FLOP of one forward pass over one group. */
export function groupFlops(model: ModelSizes, group: GroupShape): PassFlops {
  const rows = groupRows(group);
  const { predicting, promptPairs, responsePairs } = rows;
  return {
    ...visionPassFlops(model.vision, group.grids),
    ...languageFlops(model, {
      rows: group.promptTokens + rows.response,
      predicting,
      pairs: promptPairs + responsePairs,
      headRows: rows.head,
    }),
  };
}

/** FLOP of one forward pass over groups. */
export function passFlops(model: ModelSizes, groups: readonly GroupShape[]): PassFlops {
  return addFlops(groups.map((group) => groupFlops(model, group)));
}
