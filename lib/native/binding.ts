// The whole native surface as types. Every asynchronous call runs on the one device thread, in call order.
import type { TensorShape } from "../policy/checkpoint-folder.ts";
import type { ModelConfig } from "../policy/model-config.ts";
import type { TensorEntry } from "../policy/safetensors.ts";

declare const brand: unique symbol;
interface Handle<Name extends string> {
  readonly [brand]: Name;
}

/** Raised by an AbortSignal; polled within every layer of a pass, forward and backward. */
export type CancelHandle = Handle<"cancel flag">;
/** A decoded picture with its resize plan. */
export type ImageHandle = Handle<"image">;
/** What ranks the patches of pictures by saliency. */
export type SaliencyModelHandle = Handle<"saliency model">;
/** A policy: flat weights and their gradients. */
export type PolicyHandle = Handle<"policy">;
/** Groups as the policy takes them. */
export type BatchHandle = Handle<"batch">;
/** Log-probs (or advantages) of a batch's response tokens, kept natively. */
export type LogProbsHandle = Handle<"log probs">;
/** AdamW state over a policy's flat weights. */
export type OptimizerHandle = Handle<"optimizer">;

export interface RuntimeInfo {
  /** Of the headers that the module was built with. */
  readonly torchVersion: string;
  /** Name and version. */
  readonly compiler: string;
  /** The widest one that the module's own code was compiled for: AVX512 with bfloat16, AVX512, AVX2, NEON. */
  readonly vectorUnit: string;
  /** libtorch's name for the vector unit it uses: AVX512, AVX2, DEFAULT. */
  readonly cpuCapability: string;
  /** What multiplies float32 matrices on this kind of CPU: BLAS (MKL on x86-64) or papo's own loops, where MKL keeps to AVX2. */
  readonly floatProduct: ProductLibrary;
  /** Likewise bfloat16 ones: BLAS, or float32 where the processor has no instructions for them. */
  readonly bfloat16Product: ProductLibrary;
  readonly numThreads: number;
  /** Of a build for NVIDIA GPUs; absent in one for the CPU. */
  readonly cuda?: {
    /** Of the toolkit that compiled it: 13000 for 13.0. */
    readonly built: number;
    /** Newest CUDA version that the driver takes; 0 without a driver. */
    readonly driver: number;
    readonly numDevices: number;
    /** Name of the first one; empty where there is none. */
    readonly device: string;
    /** Why no device can be used; empty where one can. */
    readonly problem: string;
  };
  /** Built with PAPO_TESTING: single ops are exported. */
  readonly testing: boolean;
}

export type ProductLibrary = "BLAS" | "papo" | "float32";

/** Arithmetic that was done, in FLOP: matrix products by 2 M N K, attention by 4 E a head and visible pair. */
export interface FlopCounts {
  /** The vision tower with its attention. */
  readonly vision: number;
  /** The decoder layers' products. */
  readonly body: number;
  /** Of the language model. */
  readonly attention: number;
  readonly head: number;
}

/** The bicubic resizer: transformers' default image processor, or its PIL-backed one. */
export type Resample = "torchvision" | "pillow";

/** How a checkpoint's processor and the run's data settings want pictures. */
export interface ImageSpec {
  readonly patchSize: number;
  readonly temporalPatchSize: number;
  readonly mergeSize: number;
  /** Per channel, on the [0, 1] scale. */
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
  /** Byte to [0, 1]: 1 / 255. */
  readonly rescale: number;
  /** Area limits of the processor's own smart_resize, in pixels. */
  readonly minPixels: number;
  readonly maxPixels: number;
  /** Area limits of the trainer's resize before it; 0 = none. */
  readonly trainerMinPixels: number;
  readonly trainerMaxPixels: number;
  readonly resample: Resample;
}

/** Sizes of a picture, in pixels, and its grid. */
export interface ImageInfo {
  readonly height: number;
  readonly width: number;
  readonly resizedHeight: number;
  readonly resizedWidth: number;
  /** [t, h, w] in patches before the merge. */
  readonly gridThw: readonly [number, number, number];
}

/** `raw`: cells on the decoded picture before any resize, as published; `patch`: aligned to the model's patches. */
export type MaskMode = "raw" | "patch";
/** A dropped pixel is 0 before normalising, 0 after it, or N(0, 1) after it. */
export type MaskFill = "black" | "mean" | "noise";

/** `random`: drawn cells; `saliency`: the most salient patches of the picture's ranking, in mode raw. */
export type MaskStrategy = "random" | "saliency";

/** Which cells of a picture are dropped: a function of these values alone (and of the ranking, by saliency). */
export interface PatchMask {
  /** Default random. By saliency `patchPx` and `exact` have no part: the patches are the cells. */
  readonly strategy?: MaskStrategy;
  readonly mode: MaskMode;
  /** Side of a cell; in patch mode a multiple of the model's patch size. */
  readonly patchPx: number;
  /** Chance that a cell is dropped; when `exact`, floor(ratio * cells) of them are. */
  readonly ratio: number;
  readonly exact: boolean;
  readonly fill: MaskFill;
  /** The run's seed. */
  readonly seed: number;
  readonly epoch: number;
  readonly exampleId: string;
  readonly imageIndex: number;
  /** 0 when the responses of a prompt share the patch mask. */
  readonly responseIndex: number;
}

/** Patches of a grid that is stretched over a picture, the most salient first. */
export interface SaliencyRanking {
  readonly rows: number;
  readonly cols: number;
  /** [rows * cols] row-major numbers of the patches, each once; at most 65,536. */
  readonly order: Uint16Array;
}

/** Sizes of a DINOv2 and how it wants pictures; lib/saliency/dinov2-config.ts reads them. */
export interface Dinov2Config {
  readonly kind: "dinov2";
  readonly hiddenSize: number;
  readonly numHeads: number;
  /** Of the feed-forward part, after the gate with SwiGLU. */
  readonly intermediateSize: number;
  readonly patchSize: number;
  readonly numLayers: number;
  /** 0: a model without register tokens. */
  readonly numRegisters: number;
  /** The position embeddings are those of a square of so many patches a side. */
  readonly positionSide: number;
  readonly swiglu: boolean;
  readonly qkvBias: boolean;
  readonly normEps: number;
  readonly input: {
    /** The shorter side becomes this, the aspect kept; else `height` and `width` are the size. Pixels. */
    readonly shortestEdge?: number;
    readonly height?: number;
    readonly width?: number;
    /** Per channel, on the [0, 1] scale. */
    readonly mean: readonly [number, number, number];
    readonly std: readonly [number, number, number];
    readonly rescale: number;
  };
}

/** Of layers and blocks only the first `numLayers` or `depth` are held. */
export type SaliencyModelConfig =
  Dinov2Config | { readonly kind: "qwen2_5_vl"; readonly vision: ModelConfig["vision"] };

/** An RGB picture: [height, width, 3] bytes, row-major. */
export interface RgbPicture {
  readonly rgb: Uint8Array;
  readonly height: number;
  readonly width: number;
}

/** Sizes of a Qwen2.5-VL; lib/policy/model-config.ts reads them. */
type NativeModelConfig = Pick<
  ModelConfig,
  "text" | "vision" | "imageTokenId" | "videoTokenId" | "visionStartTokenId" | "visionEndTokenId"
>;

/** `emulated`: the CPU, by the way that ops take on CUDA; only when `runtimeInfo().testing`. */
export type DeviceName = "cpu" | "cuda" | "emulated";

export interface PolicyOptions {
  readonly dtype: "float32" | "float64" | "bfloat16";
  /** Hold gradients (float32; float64 for float64 weights). */
  readonly trained: boolean;
  readonly freezeVisionTower: boolean;
  /**
   * Recompute each layer's activations in the backward pass; auto: of as few of the first layers as the memory that is
   * left asks for, chosen for each micro-batch.
   */
  readonly checkpointActivations: boolean | "auto";
  /** Default cpu. E_CUDA for a device that this build or this machine does not have. */
  readonly device?: DeviceName;
}

/** What the policy is given. */
export interface PromptInput {
  /** Root of the prompt's random numbers. */
  readonly exampleId: string;
  /** The pass over the data set that it was drawn in: a prompt that comes again has other masks and responses. Default 0. */
  readonly epoch?: number;
  /** [P] token ids, image tokens expanded to the merged grids. */
  readonly ids: Int32Array;
  readonly images: readonly ImageHandle[];
}

export interface GroupInput {
  readonly prompt: PromptInput;
  /** [n][R] token ids. */
  readonly responses: readonly Int32Array[];
}

export interface GenerateSpec {
  /** In [0, 10000]; 0: the likeliest token. */
  readonly temperature: number;
  /** In (0, 1]. */
  readonly topP: number;
  /** 0 or less: all tokens. */
  readonly topK: number;
  /** Responses a prompt. */
  readonly n: number;
  readonly maxTokens: number;
  /** A response ends with the first of them, which it keeps. */
  readonly stopIds: readonly number[];
  /** Never sampled. */
  readonly forbiddenIds: readonly number[];
  readonly seed: number;
  /** Tells streams of the same seed apart: training, validation, ... */
  readonly purpose: number;
  readonly step: number;
  /** Responses decoded together. */
  readonly maxConcurrent: number;
  /** Prompt rows of one pass, and at most so many between two decoding steps; default 8192. */
  readonly prefillTokens?: number;
}

export interface SampledResponse {
  /** [R], the stop id included. */
  readonly ids: Int32Array;
  /** [R] of each id under softmax(logits / temperature), whatever top-p and top-k cut; at temperature 0 of the logits. */
  readonly logProbs: Float32Array;
  /** By a stop id, not by maxTokens. */
  readonly stopped: boolean;
}

/** The patch mask of a whole batch: each picture's cells follow from its prompt and the picture's index. */
export interface MaskedView extends Omit<PatchMask, "epoch" | "exampleId" | "imageIndex" | "responseIndex"> {
  /** Each response has a mask of its own. */
  readonly perResponse: boolean;
}

export interface ScoreOptions {
  /** Divides the logits. */
  readonly temperature: number;
  /** Also the entropy over the vocabulary. */
  readonly entropy: boolean;
  /** The policy on the masked picture; absent: on the plain one. */
  readonly view?: MaskedView;
  /** Rows a pass. */
  readonly maxTokens: number;
  /** Groups before it are left out: their tokens are nan. Default 0. */
  readonly firstGroup?: number;
}

/** What forwardBackward needs beside the batch and the spec. */
export interface UpdateInputs {
  /** The optimizer batch: groups [firstGroup, lastGroup) of the batch. */
  readonly firstGroup: number;
  readonly lastGroup: number;
  readonly temperature: number;
  /** Rows a micro-batch. */
  readonly maxTokens: number;
  /** Of logits that exist at a time where the loss is a sum over tokens; default 224 MiB. */
  readonly chunkBytes?: number;
  /** Absent: the weights are still those of the rollout, so old = new without its gradient. */
  readonly oldLogProbs?: LogProbsHandle;
  readonly refLogProbs?: LogProbsHandle;
  readonly augLogProbs?: LogProbsHandle;
  /** Of the whole batch, as the rollout had them: the report says how far the update's own are from them. */
  readonly rolloutLogProbs?: LogProbsHandle;
  /** Run without gradient beside the policy, for a KL to it over the vocabulary. */
  readonly reference?: PolicyHandle;
  /** Run the masked branch with gradient in place of augLogProbs. */
  readonly recompute?: MaskedView;
  /** Per-token advantages of the whole batch in place of those in the weights. */
  readonly tokenAdvantages?: LogProbsHandle;
  /** Of the optimizer batch's responses. */
  readonly weights: ResponseWeights;
}

export interface LossReport {
  /** Sums that add up over optimizer batches' micro-batches; names without `actor/`. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly numTokens: number;
  /** [n] mean perception KL of each response; empty without klPrcp. */
  readonly perceptionKl: Float64Array;
  /** |log-prob - log-prob of the rollout| over the optimizer batch's tokens, nats; there with rolloutLogProbs. */
  readonly rolloutDifference?: { readonly max: number; readonly mean: number };
  /** First decoder layers, and vision blocks, that ran again in the backward pass: the most of any micro-batch. */
  readonly recomputedLayers: number;
  readonly recomputedBlocks: number;
  /** Most bytes of tensors at a time by the memory model; what the process had before is counted, not modelled. */
  readonly predictedPeakBytes: number;
}

/** What a micro-batch holds at a time: `papo plan` asks for devices that this machine need not have. */
export interface UpdateWork {
  readonly dtype: PolicyOptions["dtype"];
  readonly device: "cpu" | "cuda";
  readonly freezeVisionTower: boolean;
  /** The head's gradient is formed in the forward pass (a loss that is a sum over tokens). */
  readonly formsGradient: boolean;
  readonly rows: number;
  readonly patches: number;
  /** Rows that go on behind the last layer's attention. */
  readonly predicting: number;
  /** Response tokens. */
  readonly head: number;
  /** Share of the rows that one pass has: with a trained masked branch there are two, or more. */
  readonly largestPass: number;
  /** What runs again in the backward pass. */
  readonly recomputed: Recomputed;
  /** Bytes that there are. */
  readonly available: number;
}

/** First decoder layers and first blocks of the vision tower. */
export interface Recomputed {
  readonly layers: number;
  readonly blocks: number;
}

/** Bytes by the memory model, beside weights, gradients and optimizer. */
export interface UpdateMemory {
  readonly update: number;
  /** A pass over the same rows without gradient. */
  readonly scoring: number;
  /** The fewest that must run again to fit into `available`; absent: all are not enough. */
  readonly fewest?: Recomputed;
}

export interface AdamwSpec {
  readonly strategy: "adamw" | "adamw_bf16";
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
}

/** Golden values of one prompt and response, in a safetensors file. */
export interface GoldenCase {
  readonly prompt: PromptInput;
  readonly response: Int32Array;
  readonly file: string;
  readonly imageEmbeds?: TensorEntry;
  readonly logits: TensorEntry;
  readonly logProbs: TensorEntry;
  readonly entropy: TensorEntry;
}

/** Largest absolute differences from the golden values, and gradient probes. */
export interface VerifyReport {
  readonly imageEmbeds: number;
  readonly logits: number;
  readonly logProbs: number;
  readonly entropy: number;
  readonly decodeLogits: number;
  readonly grads: readonly { readonly name: string; readonly norm: number; readonly probe: number }[];
}

/** Options of every long call. */
export interface WatchOptions {
  readonly cancel?: CancelHandle;
  readonly progress?: (done: number, total: number) => void;
}

export interface NativeModule {
  runtimeInfo(): RuntimeInfo;
  setNumThreads(numThreads: number): Promise<void>;
  /** Of all calls since the last one, in call order; counting begins anew. */
  takeFlops(): Promise<FlopCounts>;
  /**
   * The most bytes that tensors have taken at a time since the last call, in call order, in main memory and on the GPU;
   * the count begins at what they take now. Of all policies of the process; what libraries take beside is not in it.
   */
  takeMemoryPeak(): Promise<{ readonly main: number; readonly gpu: number }>;
  /** The most bytes that tensors may take together, of the whole process; null: what the device has. */
  setMemoryLimit(bytes: number | null): void;
  /** FLOP/s of a large float32 product on all threads, on CUDA of a bfloat16 one: a tenth of a second. Not counted. */
  productRate(device?: DeviceName): Promise<number>;
  /** Bytes/s that all threads read from memory, on CUDA that a copy reads and writes: a tenth of a second. */
  memoryRate(device?: DeviceName): Promise<number>;
  createCancelFlag(): CancelHandle;
  raiseCancelFlag(flag: CancelHandle): void;
  dispose(handle: Handle<string>): void;

  /** Copies the [height, width, 3] bytes and the ranking, which masks by saliency need. */
  createImage(rgb: Uint8Array, height: number, width: number, spec: ImageSpec, saliency?: SaliencyRanking): ImageHandle;
  imageInfo(image: ImageHandle): ImageInfo;
  /** The info of a picture of this size, without one. */
  imagePlan(height: number, width: number, spec: ImageSpec): ImageInfo;
  /** The model's input: [P, 3 * temporalPatchSize * patchSize^2], patches in merge-block order. */
  pixelValues(image: ImageHandle, patchMask: PatchMask | null): Promise<Float32Array>;
  /** [resizedHeight, resizedWidth, 3] bytes, before normalising. */
  resizedRgb(image: ImageHandle): Promise<Uint8Array>;
  /** The masked picture to look at: at its own size in raw mode, resized in patch mode. */
  maskedRgb(image: ImageHandle, patchMask: PatchMask): Promise<RgbPicture>;
  resizeRgb(
    rgb: Uint8Array,
    size: { readonly height: number; readonly width: number; readonly toHeight: number; readonly toWidth: number },
    resample: Resample,
  ): Promise<Uint8Array>;
  /** [rows * cols], row-major, 1 = dropped. */
  patchMaskCells(patchMask: PatchMask, rows: number, cols: number): Uint8Array;
  /** Pillow's CMYK to RGB; four bytes a pixel, 0 = no ink. */
  cmykToRgb(cmyk: Uint8Array): Uint8Array;
  /** Pillow's I;16 to RGB: values over 255 are clipped. */
  grey16ToRgb(grey: Uint16Array): Uint8Array;
  /** The picture with the given cells (1 = dropped, row-major) black. */
  applyCells(rgb: Uint8Array, height: number, width: number, patchPx: number, cells: Uint8Array): Uint8Array;
  /** Float32 weights, undefined until they are read. */
  createSaliencyModel(config: SaliencyModelConfig, device: DeviceName): Promise<SaliencyModelHandle>;
  saliencyModelTensors(model: SaliencyModelHandle): TensorShape[];
  readSaliencyModel(
    model: SaliencyModelHandle,
    file: string,
    entries: readonly TensorEntry[],
    watch?: WatchOptions,
  ): Promise<void>;
  /**
   * The ranking of a picture's patches by the attention that each has from the others, mean over heads and layers (from
   * 0), and that attention, [rows * cols]. DINOv2 looks at the decoded picture, a tower at the policy's patches. Of
   * equal patches the first comes first.
   */
  rankPatches(
    model: SaliencyModelHandle,
    image: ImageHandle,
    layers: readonly number[],
    watch?: WatchOptions,
  ): Promise<SaliencyRanking & { readonly saliency: Float64Array }>;
  createPolicy(config: NativeModelConfig, options: PolicyOptions): Promise<PolicyHandle>;
  /** Normal(0, 0.02) matrices, unit norms, zero biases. */
  initializeWeights(policy: PolicyHandle, seed: number, watch?: WatchOptions): Promise<void>;
  /**
   * Whether both policies hold the same vision tower; if so, and until one of them moves, what one has made of a picture
   * is the other's as well.
   */
  shareVisionTower(policy: PolicyHandle, other: PolicyHandle): Promise<boolean>;
  /** What a policy of this configuration holds, with nothing allocated. */
  modelTensors(config: NativeModelConfig): TensorShape[];
  /** By sizes alone. */
  updateMemory(config: Pick<NativeModelConfig, "text" | "vision">, work: UpdateWork): UpdateMemory;
  policyTensors(policy: PolicyHandle): TensorShape[];
  readPolicy(policy: PolicyHandle, file: string, entries: readonly TensorEntry[], watch?: WatchOptions): Promise<void>;
  /** The file must not exist. */
  writePolicy(
    policy: PolicyHandle,
    file: string,
    header: Uint8Array,
    entries: readonly TensorEntry[],
    watch?: WatchOptions,
  ): Promise<void>;
  /** [prompts][n]; progress counts finished responses. */
  generate(
    policy: PolicyHandle,
    prompts: readonly PromptInput[],
    spec: GenerateSpec,
    watch?: WatchOptions,
  ): Promise<SampledResponse[][]>;
  createBatch(groups: readonly GroupInput[]): BatchHandle;
  /** Without gradient. */
  computeLogProbs(
    policy: PolicyHandle,
    batch: BatchHandle,
    options: ScoreOptions,
    watch?: WatchOptions,
  ): Promise<LogProbsHandle>;
  /**
   * On the plain pictures (of groups from `firstGroup` on) and on the masked ones, both in one packed pass a
   * micro-batch. Without gradient.
   */
  computePlainAndMasked(
    policy: PolicyHandle,
    batch: BatchHandle,
    options: ScoreOptions & { readonly view: MaskedView; readonly firstGroup: number },
    watch?: WatchOptions,
  ): Promise<{ readonly plain: LogProbsHandle; readonly masked: LogProbsHandle }>;
  /**
   * Log-probs that are known already, one row a response in batch order, one number a token. E_SHAPE when the rows are
   * not those of the batch.
   */
  createLogProbs(policy: PolicyHandle, batch: BatchHandle, values: readonly Float32Array[]): Promise<LogProbsHandle>;
  /** [R], packed response after response. */
  logProbValues(logProbs: LogProbsHandle): Promise<Float64Array>;
  /** [R] nats, over the vocabulary under softmax(logits / temperature). E_VALUE when the pass had no `entropy`. */
  entropyValues(logProbs: LogProbsHandle): Promise<Float64Array>;
  /** [n] mean over each response's tokens; 0 for one without. */
  meanPerResponse(values: LogProbsHandle): Promise<Float64Array>;
  /** KL of each response: sum and mean over its tokens. */
  klPerResponse(
    logProbs: LogProbsHandle,
    other: LogProbsHandle,
    estimator: KlEstimator,
  ): Promise<{ sums: Float64Array; means: Float64Array }>;
  /** [R] KL of each token, packed response after response. */
  klPerToken(logProbs: LogProbsHandle, other: LogProbsHandle, estimator: KlEstimator): Promise<Float64Array>;
  /**
   * Of each response, in batch order: [M] attention on each image token of its prompt, a mean over layers, heads and the
   * rows that predict its tokens, alike; its sum is the share that goes to pictures. Progress counts groups. E_VALUE for
   * a prompt without pictures or a response without tokens.
   */
  imageAttention(
    policy: PolicyHandle,
    batch: BatchHandle,
    options: {
      /** Rows a pass. */
      readonly maxTokens: number;
      /** Of attention scores that exist at a time; default 64 MiB. */
      readonly chunkBytes?: number;
    },
    watch?: WatchOptions,
  ): Promise<Float64Array[]>;
  /** REINFORCE++ advantages per token with the KL to the reference inside the reward; rewards [n] in batch order. */
  tokenAdvantages(
    oldLogProbs: LogProbsHandle,
    refLogProbs: LogProbsHandle,
    options: { readonly rewards: Float64Array; readonly estimator: KlEstimator; readonly coef: number },
  ): Promise<LogProbsHandle>;
  /** Adds the objective's gradient over the optimizer batch to the policy's; a failure midway zeroes that. */
  forwardBackward(
    policy: PolicyHandle,
    batch: BatchHandle,
    spec: LossSpec,
    inputs: UpdateInputs,
    watch?: WatchOptions,
  ): Promise<LossReport>;
  createOptimizer(policy: PolicyHandle, spec: AdamwSpec): Promise<OptimizerHandle>;
  optimizerTensors(optimizer: OptimizerHandle): (TensorShape & { readonly dtype: "F32" | "F64" | "BF16" })[];
  /** Steps taken: of every call that has resolved, and perhaps of one that runs. */
  optimizerNumSteps(optimizer: OptimizerHandle): number;
  /** In call order, as the steps themselves. */
  setOptimizerNumSteps(optimizer: OptimizerHandle, numSteps: number): Promise<void>;
  /**
   * Clips, moves the weights and zeroes the gradient; a norm that is not finite skips the step. Stops only before
   * anything has moved.
   */
  optimizerStep(
    optimizer: OptimizerHandle,
    policy: PolicyHandle,
    lr: number,
    maxGradNorm: number,
    watch?: WatchOptions,
  ): Promise<{ gradNorm: number; skipped: boolean }>;
  readOptimizer(
    optimizer: OptimizerHandle,
    file: string,
    entries: readonly TensorEntry[],
    watch?: WatchOptions,
  ): Promise<void>;
  writeOptimizer(
    optimizer: OptimizerHandle,
    file: string,
    header: Uint8Array,
    entries: readonly TensorEntry[],
    watch?: WatchOptions,
  ): Promise<void>;
  /** [3 * P] rotary positions: temporal, then height, then width. */
  ropePositions(
    config: NativeModelConfig,
    prompt: {
      readonly ids: Int32Array;
      readonly imageGridThw: readonly (readonly number[])[];
      readonly videoGridThw?: readonly (readonly number[])[];
      /** Seconds that a temporal patch of each video covers; absent: 1. */
      readonly secondsPerGrid?: readonly number[];
    },
  ): Int32Array;
  verifyCase(policy: PolicyHandle, golden: GoldenCase): Promise<VerifyReport>;
}

/** KL estimators on the sampled tokens; k1 and k3 are the reference's `kl` and `low_var_kl`. */
export type KlEstimator = "k1" | "abs" | "mse" | "k3";
/** In a loss also the KL itself, over the whole vocabulary. */
export type LossKl = KlEstimator | "full";

/** What to optimise: the terms of the loss and their coefficients at one step. Absent parts are not computed. */
export interface LossSpec {
  readonly policyLoss: "ppo" | "gspo";
  /** The ratio is clipped to [1 - clipLow, 1 + clipHigh]. */
  readonly clipLow: number;
  readonly clipHigh: number;
  /** Dual clip of tokens with a negative advantage; >= 1. */
  readonly clipDual?: number;
  /** full: with UpdateInputs.reference in place of refLogProbs. */
  readonly klRef?: { readonly coef: number; readonly estimator: LossKl };
  readonly klPrcp?: {
    /** The schedule's value at this step. */
    readonly coef: number;
    /** full: with UpdateInputs.recompute alone. */
    readonly estimator: LossKl;
    /** In (0, 1): only tokens at or above the (1 - p)-quantile of their response. */
    readonly tokenTopP?: number;
    /** Upper bound per token. */
    readonly clip?: number;
  };
  /** Both with the annealing discount in. */
  readonly augEntropyCoef: number;
  readonly oriEntropyCoef: number;
  /** `sampled`: -log prob of the sampled tokens; `full`: over the vocabulary. */
  readonly entropy: "sampled" | "full";
  readonly sftCoef: number;
}

/** One number per response, fixed before the micro-batches are cut. */
export interface ResponseWeights {
  /** Absent when the advantages differ from token to token. */
  readonly advantages?: Float64Array;
  /** Weight of each of its tokens in the averaged terms. */
  readonly lossWeights: Float64Array;
  /** Weight of each of its tokens in token means: the entropies and most metrics. */
  readonly tokenWeights: Float64Array;
  /** Likewise in the policy-gradient term, where that differs (GSPO); absent: lossWeights. */
  readonly pgWeights?: Float64Array;
  /** Multiplies its perception KL; absent: 1. */
  readonly prcpWeights?: Float64Array;
  /** Weight of each of its tokens in the SFT term; absent: 0. */
  readonly sftWeights?: Float64Array;
}

/** Packed response tokens [R] of a batch, handed over by tests; real runs keep them natively. */
export interface ObjectiveTokens {
  readonly responseLengths: Int32Array;
  readonly logProbs: Float64Array;
  readonly oldLogProbs: Float64Array;
  readonly refLogProbs?: Float64Array;
  readonly augLogProbs?: Float64Array;
  readonly entropy?: Float64Array;
  readonly augEntropy?: Float64Array;
  readonly advantages?: Float64Array;
  /** KLs over the vocabulary. */
  readonly refKl?: Float64Array;
  readonly augKl?: Float64Array;
}

export interface ObjectiveReport {
  readonly loss: number;
  readonly numTokens: number;
  /** By metric name without `actor/`; they add up over micro-batches. */
  readonly metrics: Readonly<Record<string, number>>;
  /** By field of ObjectiveTokens; a field that no gradient reaches is absent. */
  readonly gradients: { readonly [Field in keyof ObjectiveTokens]?: Float64Array };
  /** [n] mean perception KL of each response; empty without klPrcp. */
  readonly perceptionKl: Float64Array;
}

/** What a single op is run on: random numbers from the seed. */
export interface OpSpec {
  readonly dtype: PolicyOptions["dtype"];
  /** Default cpu. */
  readonly device?: DeviceName;
  readonly seed: number;
  /** Sizes and settings by name. */
  readonly sizes: Readonly<Record<string, number>>;
  /** Attention: [prompt rows, response rows ...] of each group. */
  readonly groups?: readonly (readonly number[])[];
  /** Attention: rows that all see each other. */
  readonly fullBlocks?: readonly number[];
}

/** Ops that have a composed reference. */
export type OpName =
  | "rms_norm"
  | "swiglu"
  | "rope"
  | "linear"
  | "row_linear"
  | "product"
  | "embedding"
  | "token_log_probs"
  | "head_gradient"
  | "kl_divergence"
  | "group_attention"
  | "layer_input"
  | "layer_output"
  | "decode_attention"
  | "adamw"
  | "sampler";

/** An op's two forms, the kernel's and the composed one. */
export interface OpBench {
  /** Largest difference over the largest expected value, by output and gradient. */
  readonly differences: Readonly<Record<string, number>>;
  readonly parts: readonly {
    /** `both`: the gradient is formed in the forward pass. */
    readonly name: "forward" | "backward" | "both";
    /** Medians. */
    readonly seconds: number;
    readonly composedSeconds: number;
    /** 0 for elementwise work, which is not counted. */
    readonly flops: number;
    /** That it must read and write. */
    readonly bytes: number;
  }[];
}

/** One launch of a GPU's kernel. */
export interface KernelCost {
  readonly launcher: string;
  /** Read and written in the device's memory. */
  readonly bytes: number;
  readonly flops: number;
  /** The FLOPs are those of matrix products on tensor cores. */
  readonly tensorCores: boolean;
}

/** Single ops, there when `runtimeInfo().testing`. */
export interface NativeTesting {
  /** What each kernel of a GPU moves and computes at given sizes (native/test/kernel_costs.h names them). */
  kernelCosts(sizes: Readonly<Record<string, number>>): readonly KernelCost[];
  /** Launches of each kernel since the last call, by launcher; `graph recorded` and `graph replayed` beside them. */
  kernelLaunches(): Promise<Readonly<Record<string, number>>>;
  /** How often the host waited for numbers of a device since the last call. */
  hostWaits(): Promise<number>;
  /** Bytes that rollouts take the memory for from now on; 0: what there is. */
  pretendMemory(bytes: number): Promise<void>;
  /** Replays a graph (native/test/graph_misuse.h); E_CUDA for one that a GPU would replay wrongly. */
  replayGraph(misuse: "none" | "moved" | "reads" | "copies" | "more" | "fewer"): Promise<number>;
  /**
   * Runs an op's kernel and its composed reference forward and backward. Largest difference over the largest expected
   * value: outputs by name, gradients as `grad <name>`; the kernel runs twice, adding to weight gradients of 1.
   */
  compareOp(op: OpName, spec: OpSpec): Promise<Record<string, number>>;
  /** Compares both forms of an op, then runs each for so many seconds, three times or more. */
  benchOp(op: OpName, spec: OpSpec, seconds: number): Promise<OpBench>;
  /** Likewise decode attention over caches, of each response's newest row. */
  compareDecodeAttention(spec: OpSpec): Promise<number>;
  /** Logits of cached decoding, fed with the responses, beside those of the packed pass; prompts in chunks of some rows. */
  compareDecode(policy: PolicyHandle, batch: BatchHandle, chunkRows?: number): Promise<number>;
  /** hidden [N, width] against head [V, width] in float64; gradients of the sum of the log-probs. */
  tokenLogProbs(
    hidden: Float64Array,
    head: Float64Array,
    targets: Int32Array,
    options: {
      readonly width: number;
      readonly temperature: number;
      readonly entropy: boolean;
      readonly tileBytes: number;
    },
  ): Promise<Readonly<Record<"logProbs" | "entropy" | "gradHidden" | "gradHead", Float64Array>>>;
  /** Draws for positions 0, 1, ... of one stream. */
  sampleTokens(
    logits: Float32Array,
    options: {
      readonly temperature: number;
      readonly topP: number;
      readonly topK: number;
      readonly seed: number;
      readonly draws: number;
    },
  ): Promise<Int32Array>;
  /** Philox4x32-10 of a counter of four words and a key of two. */
  philox(counter: Uint32Array, key: Uint32Array): Uint32Array;
  /** One tensor of a policy, flattened. */
  policyValues(policy: PolicyHandle, name: string, kind: "weight" | "gradient"): Promise<Float64Array>;
  setPolicyValues(policy: PolicyHandle, name: string, kind: "weight" | "gradient", values: Float64Array): Promise<void>;
  /** Of the image embeddings kept with pictures; `limit` sets how many there may be. */
  keptEmbedsBytes(limit?: number): Promise<number>;
  /** What a DINOv2's layers are given and their attention: `pixel_values`, `hidden.<layer>`, `attention.<layer>`. */
  dinov2Layers(model: SaliencyModelHandle, image: ImageHandle): Promise<Readonly<Record<string, Float64Array>>>;
  objective(
    tokens: ObjectiveTokens,
    weights: ResponseWeights,
    spec: LossSpec,
    dtype: "float32" | "float64",
    device?: DeviceName,
  ): Promise<ObjectiveReport>;
  klEstimate(
    logProbs: Float64Array,
    other: Float64Array,
    estimator: KlEstimator,
    responseLengths: Int32Array,
  ): Promise<{ readonly values: Float64Array; readonly sums: Float64Array; readonly means: Float64Array }>;
  reinforcePlusPlus(
    rewards: Float64Array,
    responseLengths: Int32Array,
    kl: Float64Array,
    klCoef: number,
  ): Promise<Float64Array>;
}
