import { expect, test } from "vitest";
import { testing } from "../support/objective.ts";

// kat_vectors of Random123, philox4x32 with 10 rounds: zeros, ones, digits of pi.
test.each([
  [[0, 0, 0, 0], [0, 0], "6627e8d5 e169c58d bc57ac4c 9b00dbd8"],
  [new Array<number>(4).fill(0xffffffff), [0xffffffff, 0xffffffff], "408f276d 41c83b0e a20bc7c6 6d5451fd"],
  [[0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0], "d16cfe09 94fdcceb 5001e420 24126ea1"],
])("philox of counter %j and key %j is its authors' known answer", (counter, key, expected) => {
  const words = testing.philox(Uint32Array.from(counter), Uint32Array.from(key));
  expect([...words].map((word) => word.toString(16).padStart(8, "0")).join(" ")).toBe(expected);
});
