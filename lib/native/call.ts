import { NativeError, type NativeErrorCode } from "../errors.ts";
import type { WatchOptions } from "./binding.ts";
import { loadNative } from "./load.ts";

/** What callers may pass to a long native call. */
export interface CallOptions {
  /** Stops the call between native steps: NativeError E_ABORTED. */
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Runs a native call: an AbortSignal becomes the native cancel flag, native errors become NativeError.
 * @throws {NativeError}
 */
export async function callNative<T>(options: CallOptions, call: (watch: WatchOptions) => T | Promise<T>): Promise<T> {
  const native = loadNative();
  const { signal, progress } = options;
  const cancel = native.createCancelFlag();
  const raise = (): void => {
    native.raiseCancelFlag(cancel);
  };
  if (signal?.aborted) raise();
  signal?.addEventListener("abort", raise, { once: true });
  try {
    return await call(progress ? { cancel, progress } : { cancel });
  } catch (error) {
    throw toNativeError(error);
  } finally {
    signal?.removeEventListener("abort", raise);
    native.dispose(cancel);
  }
}

/** A native exception as NativeError; anything else as it is. */
export function toNativeError(error: unknown): unknown {
  if (!(error instanceof Error) || !("code" in error) || !("op" in error)) return error;
  const { code, op } = error;
  if (typeof code !== "string" || typeof op !== "string") return error;
  return new NativeError(code as NativeErrorCode, op, error.message, { cause: error });
}
