import { createHash } from "node:crypto";

const wordsPerBlock = 32;

/**
 * Random numbers as a function of a key: SHAKE-256 of key and block number, 32 words of 32 bits a block. The same key
 * gives the same numbers on every machine, and two keys share nothing, so a scene does not depend on how many came
 * before it.
 */
export class RandomStream {
  private readonly key: string;
  private block: Buffer = Buffer.alloc(0);
  private numDrawn = 0;
  private spareNormal: number | undefined;

  constructor(...key: readonly (string | number)[]) {
    this.key = key.join("/");
  }

  /** Integer in [0, 2^32). */
  uint32(): number {
    const word = this.numDrawn % wordsPerBlock;
    if (word === 0) {
      const index = this.numDrawn / wordsPerBlock;
      this.block = createHash("shake256", { outputLength: 4 * wordsPerBlock })
        .update(`${this.key}#${index}`)
        .digest();
    }
    this.numDrawn++;
    return this.block.readUInt32LE(4 * word);
  }

  /** In (0, 1): the middle of one of 2^32 equal steps, so that its logarithm is finite. */
  uniform(): number {
    return (this.uint32() + 0.5) / 2 ** 32;
  }

  /** Integer in [0, limit), for limit up to 2^20 (its bias stays under 2^-12). */
  below(limit: number): number {
    return Math.floor(this.uniform() * limit);
  }

  /** One of the items. */
  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError("[RandomStream.pick] nothing to pick from");
    return item;
  }

  /** Standard normal (Box-Muller: both halves of a pair are used). */
  normal(): number {
    const spare = this.spareNormal;
    this.spareNormal = undefined;
    if (spare !== undefined) return spare;
    const radius = Math.sqrt(-2 * Math.log(this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    this.spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }
}
