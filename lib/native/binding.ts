// The whole native surface as types. Every asynchronous call runs on the one device thread, in call order.
declare const brand: unique symbol;
interface Handle<Name extends string> {
  readonly [brand]: Name;
}

/** Raised by an AbortSignal; polled between native steps. */
export type CancelHandle = Handle<"cancel flag">;
/** A decoded picture with its resize plan. */
export type ImageHandle = Handle<"image">;
/** A policy: flat weights and their gradients. */
export type PolicyHandle = Handle<"policy">;
/** Log-probs of a batch's response tokens, kept natively. */
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
  readonly numThreads: number;
  /** Built with PAPO_TESTING: single ops are exported. */
  readonly testing: boolean;
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

/** Which cells of a picture are dropped: a function of these values alone. */
export interface PatchMask {
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

/** An RGB picture: [height, width, 3] bytes, row-major. */
export interface RgbPicture {
  readonly rgb: Uint8Array;
  readonly height: number;
  readonly width: number;
}

/** Options of every long call. */
export interface WatchOptions {
  readonly cancel?: CancelHandle;
  readonly progress?: (done: number, total: number) => void;
}

export interface NativeModule {
  runtimeInfo(): RuntimeInfo;
  setNumThreads(numThreads: number): Promise<void>;
  createCancelFlag(): CancelHandle;
  raiseCancelFlag(flag: CancelHandle): void;
  dispose(handle: Handle<string>): void;

  /** Copies the [height, width, 3] bytes. */
  createImage(rgb: Uint8Array, height: number, width: number, spec: ImageSpec): ImageHandle;
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
}

/** KL estimators on the sampled tokens; k1 and k3 are the reference's `kl` and `low_var_kl`. */
export type KlEstimator = "k1" | "abs" | "mse" | "k3";

/** What to optimise: the terms of the loss and their coefficients at one step. Absent parts are not computed. */
export interface LossSpec {
  readonly policyLoss: "ppo" | "gspo";
  /** The ratio is clipped to [1 - clipLow, 1 + clipHigh]. */
  readonly clipLow: number;
  readonly clipHigh: number;
  /** Dual clip of tokens with a negative advantage; >= 1. */
  readonly clipDual?: number;
  readonly klRef?: { readonly coef: number; readonly estimator: KlEstimator };
  readonly klPrcp?: {
    /** The schedule's value at this step. */
    readonly coef: number;
    readonly estimator: KlEstimator;
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

/** Single ops, there when `runtimeInfo().testing`. */
export interface NativeTesting {
  objective(
    tokens: ObjectiveTokens,
    weights: ResponseWeights,
    spec: LossSpec,
    dtype: "float32" | "float64",
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
