import type { Group } from "../types.ts";

/** Lengths of the responses so far, from which those still being sampled are guessed: native progress counts responses. */
export class ResponseLengths {
  /** Of the responses that were added. */
  numTokens = 0;
  #numResponses = 0;

  add(groups: readonly Group[]): void {
    for (const { responses } of groups) {
      this.#numResponses += responses.length;
      this.numTokens += responses.reduce((sum, { ids }) => sum + ids.length, 0);
    }
  }

  /** About how many tokens `count` responses have; 0 while nothing is known. */
  estimate(count: number): number {
    return this.#numResponses === 0 ? 0 : (count * this.numTokens) / this.#numResponses;
  }
}
