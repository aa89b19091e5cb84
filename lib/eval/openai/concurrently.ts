/**
 * Runs at most `limit` at a time and gives results as they come. When one throws, when the signal aborts or when the
 * caller stops reading, the others' signal aborts and they are waited for: nothing is left running.
 * @throws what a run or the inputs throw; the signal's reason when aborted
 */
export async function* concurrently<In, Out>(
  inputs: AsyncIterable<In>,
  limit: number,
  run: (input: In, signal: AbortSignal) => Promise<Out>,
  signal?: AbortSignal,
): AsyncGenerator<Out> {
  const controller = new AbortController();
  // One a run: what waits on it adds a listener, and Node.js warns of more than ten on one signal.
  const ownSignal = () => AbortSignal.any([controller.signal, ...(signal ? [signal] : [])]);
  const running = new Map<number, Promise<{ key: number; out: Out }>>();
  const next: AsyncIterator<In, unknown> = inputs[Symbol.asyncIterator]();
  let key = 0;
  let isMore = true;
  try {
    for (;;) {
      while (isMore && running.size < limit) {
        const input = await next.next();
        if (input.done === true) isMore = false;
        else {
          const own = key++;
          const promise = run(input.value, ownSignal()).then((out) => ({ key: own, out }));
          promise.catch(() => undefined); // told by the race below, or waited for at the end
          running.set(own, promise);
        }
      }
      if (running.size === 0) return;
      const finished = await Promise.race(running.values());
      running.delete(finished.key);
      yield finished.out;
    }
  } finally {
    controller.abort(new DOMException("stopped", "AbortError"));
    await Promise.allSettled(running.values());
    await next.return?.();
  }
}
