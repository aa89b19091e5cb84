import { createHash } from "node:crypto";
import { PhiloxStream } from "../data/philox.ts";

/**
 * Random numbers as a function of a key, the same on every machine. Two keys share nothing (SHA-256 of a key chooses
 * its Philox stream), so a scene does not depend on how many came before it.
 */
export class RandomStream {
  private readonly words: PhiloxStream;
  private spareNormal: number | undefined;

  constructor(...key: readonly (string | number)[]) {
    const digest = createHash("sha256").update(key.join("/")).digest();
    this.words = new PhiloxStream(digest.readUIntLE(0, 6), [digest.readUInt32LE(8), digest.readUInt32LE(12)]);
  }

  /** Integer in [0, bound), for bound in [1, 2^32]. */
  below(bound: number): number {
    if (!(bound >= 1)) throw new RangeError(`[RandomStream.below] expected a bound of at least 1, got ${bound}`);
    return this.words.below(bound);
  }

  /** One of the items. */
  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item;
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

  /** In (0, 1): the middle of one of 2^32 equal steps, so that its logarithm is finite. */
  private uniform(): number {
    return (this.below(2 ** 32) + 0.5) / 2 ** 32;
  }
}
