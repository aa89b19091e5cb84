import { NativeError } from "../errors.ts";

/**
 * Runs work that `signal` can stop.
 * @throws the signal's reason when that stopped it, whatever part of it noticed first
 */
export async function stoppable<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (signal?.aborted && error instanceof NativeError && error.code === "E_ABORTED") throw signal.reason;
    throw error;
  }
}
