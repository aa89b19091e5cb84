// Counter-based random numbers: the same key and counter give the same numbers on every machine.

/** The high and low 32 bits of a 32 x 32-bit product; Math.imul alone gives the low ones. */
function multiply(a: number, b: number): readonly [high: number, low: number] {
  const [aHigh, aLow, bHigh, bLow] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
  const middle = aHigh * bLow + Math.floor((aLow * bLow) / 0x10000);
  const carry = (middle % 0x10000) + aLow * bHigh;
  return [(aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) >>> 0, Math.imul(a, b) >>> 0];
}

export type Words4 = readonly [number, number, number, number];

/**
 * Philox 4x32 with 10 rounds: four uniform 32-bit integers.
 * Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (2011).
 */
export function philox(counter: Words4, key: readonly [number, number]): Words4 {
  let [c0, c1, c2, c3] = counter.map((word) => word >>> 0) as unknown as Words4;
  let [k0, k1] = [key[0] >>> 0, key[1] >>> 0];
  for (let round = 0; round < 10; round += 1) {
    const [high0, low0] = multiply(0xd2511f53, c0);
    const [high1, low1] = multiply(0xcd9e8d57, c2);
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    [k0, k1] = [(k0 + 0x9e3779b9) >>> 0, (k1 + 0xbb67ae85) >>> 0];
  }
  return [c0, c1, c2, c3];
}

/** Uniform integers in a row from one key and stream. */
export class PhiloxStream {
  readonly #key: readonly [number, number];
  readonly #stream: readonly [number, number];
  #counter = 0;
  #words: number[] = [];

  /** @param seed safe integer; @param stream uint32 pair that keeps uses of one seed apart */
  constructor(seed: number, stream: readonly [number, number]) {
    this.#key = [seed % 2 ** 32, Math.floor(seed / 2 ** 32)];
    this.#stream = stream;
  }

  /** A uniform integer in [0, bound); bound in [1, 2^32]. Values that would favour small results are drawn again. */
  below(bound: number): number {
    const fair = 2 ** 32 - (2 ** 32 % bound);
    for (;;) {
      const word = this.#next();
      if (word < fair) return word % bound;
    }
  }

  #next(): number {
    const word = this.#words.pop();
    if (word !== undefined) return word;
    this.#words = [
      ...philox([this.#counter % 2 ** 32, Math.floor(this.#counter / 2 ** 32), ...this.#stream], this.#key),
    ];
    this.#counter += 1;
    return this.#next();
  }
}
