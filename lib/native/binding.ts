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
  readonly torchVersion: string;
  /** libtorch's name for the vector unit it uses: AVX512, AVX2, DEFAULT. */
  readonly cpuCapability: string;
  readonly numThreads: number;
  /** Built with PAPO_TESTING: single ops are exported. */
  readonly testing: boolean;
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
}
