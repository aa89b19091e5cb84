import { createHash } from "node:crypto";

/**
 * Uniform integers from a key, some thirty times as fast as Philox: a bootstrap draws 100 million. Draws come in order;
 * there is no jumping to the middle.
 * Source: Doty-Humphrey, PractRand's sfc32 (small fast chaotic), 128 bits of state.
 */
export class FastRandom {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(...key: readonly (string | number)[]) {
    const digest = createHash("sha256").update(JSON.stringify(key)).digest();
    [this.#a, this.#b, this.#c] = [digest.readInt32LE(0), digest.readInt32LE(4), digest.readInt32LE(8)];
    for (let warmUp = 0; warmUp < 12; warmUp += 1) this.below(1);
  }

  /** In [0, bound); bound at most 2^20, for which no integer is favoured by more than 2^-12. */
  below(bound: number): number {
    const word = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + word) | 0;
    return Math.floor(((word >>> 0) / 2 ** 32) * bound);
  }
}
