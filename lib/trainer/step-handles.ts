import { loadNative } from "../native/load.ts";

/** Native handles of one step, all freed together. */
export class StepHandles implements Disposable {
  readonly #handles: { dispose: () => void }[] = [];

  /** Frees `handle` with the rest. */
  keep<H extends Parameters<ReturnType<typeof loadNative>["dispose"]>[0]>(handle: H): H {
    this.#handles.push({
      dispose: () => {
        loadNative().dispose(handle);
      },
    });
    return handle;
  }

  [Symbol.dispose](): void {
    for (const { dispose } of this.#handles) dispose();
  }
}
