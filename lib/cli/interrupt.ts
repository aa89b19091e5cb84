import { stoppable } from "../native/stoppable.ts";
import { withOptionalStdout } from "./broken-output.ts";

/** Ctrl-C for the length of a `using` block. */
export interface Interrupt extends Disposable {
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP, with an AbortError as its reason. */
  readonly signal: AbortSignal;
}

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** 128 + SIGINT, as shells count. */
const interruptedExitCode = 130;

/**
 * Takes over Ctrl-C until disposed: the first one aborts the signal and says so in one line on stderr, the second one
 * ends the process at once with exit code 130.
 */
export function onInterrupt(): Interrupt {
  const controller = new AbortController();
  const handle = () => {
    if (controller.signal.aborted) process.exit(interruptedExitCode);
    process.stderr.write("\npapo: stopping; press Ctrl-C again to exit at once\n");
    controller.abort(new DOMException("interrupted", "AbortError"));
  };
  for (const signal of signals) process.on(signal, handle);
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      for (const signal of signals) process.off(signal, handle);
    },
  };
}

/**
 * Runs `work` under {@link onInterrupt}; a stdout that breaks does not stop it.
 * @throws the AbortError when work was stopped by it, whatever part of it noticed first
 */
export async function withInterrupt<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  using interrupt = onInterrupt();
  const { signal } = interrupt;
  return await stoppable(signal, () => withOptionalStdout(() => work(signal)));
}
