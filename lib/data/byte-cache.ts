// A small cache of decoded pieces of data files, limited in bytes.

interface Entry<T> {
  readonly value: Promise<T>;
  /** 0 until loaded. */
  bytes: number;
}

/** Least recently used values within a byte limit; loads run one after the other, so only one piece is in the making. */
export class ByteCache<T> {
  readonly #maxBytes: number;
  readonly #entries = new Map<string, Entry<T>>();
  #bytes = 0;
  #lastLoad: Promise<unknown> = Promise.resolve();

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The value of `key`, loaded when it is not held; a failed load is not held. `load` says the value's bytes. */
  get(key: string, load: () => Promise<{ value: T; bytes: number }>): Promise<T> {
    const held = this.#entries.get(key);
    if (held) {
      this.#entries.delete(key);
      this.#entries.set(key, held);
      return held.value;
    }
    const loading = this.#lastLoad.then(load);
    this.#lastLoad = loading.catch(() => undefined);
    const entry: Entry<T> = { value: loading.then(({ value }) => value), bytes: 0 };
    this.#entries.set(key, entry);
    loading.then(
      ({ bytes }) => {
        entry.bytes = bytes;
        this.#bytes += bytes;
        this.#evict(entry);
      },
      () => this.#entries.delete(key),
    );
    return entry.value;
  }

  #evict(newest: Entry<T>): void {
    for (const [key, entry] of this.#entries) {
      if (this.#bytes <= this.#maxBytes) return;
      if (entry === newest || entry.bytes === 0) continue;
      this.#entries.delete(key);
      this.#bytes -= entry.bytes;
    }
  }
}
