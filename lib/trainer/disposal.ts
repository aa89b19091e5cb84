/** Things to close together, the last opened first. Node 20 has no AsyncDisposableStack. */
export class Disposal implements AsyncDisposable {
  readonly #closers: (() => void | PromiseLike<void>)[] = [];

  /** Closes `resource` with the rest. */
  use<T extends Disposable | AsyncDisposable>(resource: T): T {
    this.defer(() => {
      if (Symbol.asyncDispose in resource) return resource[Symbol.asyncDispose]();
      resource[Symbol.dispose]();
      return undefined;
    });
    return resource;
  }

  defer(close: () => void | PromiseLike<void>): void {
    this.#closers.push(close);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
  }
}
