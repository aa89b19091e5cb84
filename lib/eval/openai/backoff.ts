// When to ask a server again, and after how long.
import { setTimeout as delay } from "node:timers/promises";
import { ServerError } from "../../errors.ts";

export interface RetrySettings {
  /** Tries in all. */
  readonly attempts: number;
  /** Longest wait before the second try; it doubles with each try up to maxDelayMs. */
  readonly baseDelayMs: number;
  /** Also the longest that a server's Retry-After is heeded. */
  readonly maxDelayMs: number;
}

/** A failure that another try may mend. */
export class TransientError extends Error {
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;
  constructor(
    text: string,
    how: { status?: number | undefined; retryAfterMs?: number | undefined; cause?: unknown } = {},
  ) {
    super(text, { cause: how.cause });
    this.status = how.status;
    this.retryAfterMs = how.retryAfterMs;
  }
}

/** All tries failed in ways that another might have mended. */
export class ExhaustedError extends ServerError {}

/**
 * Runs until it succeeds, fails for good, or the tries are used up. Waits are drawn from [0, limit) (full jitter), so
 * that requests which failed together do not come back together; a server's Retry-After is waited for at least.
 * @throws {ExhaustedError} after the last try; the signal's reason when aborted
 */
export async function withRetries<T>(
  url: string,
  settings: RetrySettings,
  run: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted();
    try {
      return await run();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof TransientError)) throw error;
      if (attempt >= settings.attempts)
        throw new ExhaustedError(url, error.status, `${error.message} (${attempt} tries)`, { cause: error });
      await pause(waitMs(attempt, settings, error.retryAfterMs), signal);
    }
  }
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  // The timer's own AbortError would hide the reason.
  await delay(ms, undefined, signal ? { signal } : {}).catch(() => undefined);
  signal?.throwIfAborted();
}

/** @param attempt that failed, from 1 */
export function waitMs(attempt: number, settings: RetrySettings, retryAfterMs = 0, random = Math.random): number {
  const limit = Math.min(settings.maxDelayMs, settings.baseDelayMs * 2 ** (attempt - 1));
  return Math.min(settings.maxDelayMs, retryAfterMs) + random() * limit;
}

/** Milliseconds of a Retry-After header: seconds, or a date; undefined when there is none or it is neither. */
export function parseRetryAfter(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined;
  if (/^\d+(\.\d+)?$/u.test(header.trim())) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
