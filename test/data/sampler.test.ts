import fc from "fast-check";
import { expect, test } from "vitest";
import { PhiloxStream, philox } from "../../lib/data/philox.ts";
import { IndexSampler } from "../../lib/data/sampler.ts";
import type { SamplerOptions } from "../../lib/data/sampler.ts";

const sampler = (options: Partial<SamplerOptions> = {}) =>
  new IndexSampler({ length: 37, seed: 1, shuffle: true, dropLast: true, ...options });

const hex = (words: readonly number[]) => words.map((word) => word.toString(16).padStart(8, "0")).join(" ");

test("philox gives the known answers of its authors' test file", () => {
  // kat_vectors of Random123, philox4x32 with 10 rounds.
  expect(hex(philox([0, 0, 0, 0], [0, 0]))).toBe("6627e8d5 e169c58d bc57ac4c 9b00dbd8");
  const ones = 0xffffffff;
  expect(hex(philox([ones, ones, ones, ones], [ones, ones]))).toBe("408f276d 41c83b0e a20bc7c6 6d5451fd");
  const pi = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344] as const;
  expect(hex(philox(pi, [0xa4093822, 0x299f31d0]))).toBe("d16cfe09 94fdcceb 5001e420 24126ea1");
});

test("integers below a bound are uniform", () => {
  const random = new PhiloxStream(2 ** 40 + 3, [1, 2]);
  const counts = new Array<number>(7).fill(0);
  for (let draw = 0; draw < 70_000; draw += 1) {
    const value = random.below(7);
    counts[value] = (counts[value] ?? 0) + 1;
  }
  // Each count has mean 10,000 and standard deviation sqrt(70,000 * 6/49) = 93; 5 deviations.
  for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(465);
  expect(random.below(1)).toBe(0);
});

test("every epoch visits each row once, in an order of its own", () => {
  const order = (length: number, seed: number) => {
    const drawn = sampler({ length, seed });
    return [0, 1, 2].map(() => [...drawn.next(length)]);
  };
  for (const length of [1, 7, 37, 111, 5000]) {
    const all = Array.from({ length }, (_, index) => index);
    for (const epoch of order(length, 3)) expect(epoch.toSorted((a, b) => a - b)).toEqual(all);
  }
  const [first, second, third] = order(111, 3);
  expect(first).not.toEqual(second);
  expect(second).not.toEqual(third);
  expect(order(111, 4)[0]).not.toEqual(first);
  expect(order(111, 3)[0]).toEqual(first);
});

test("all orders of three rows are equally likely over epochs", () => {
  const drawn = sampler({ length: 3 });
  const counts = new Map<string, number>();
  for (let epoch = 0; epoch < 6000; epoch += 1) {
    const order = drawn.next(3).join("");
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  expect(counts.size).toBe(6);
  // Each has mean 1,000 and standard deviation sqrt(6,000 * 5/36) = 29; 5 deviations.
  for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(145);
});

test("the order does not depend on how it is cut into batches", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 40 }), (sizes) => {
      const cut = sampler({ dropLast: false });
      const whole = sampler({ dropLast: false });
      const rows = sizes.flatMap((size) => [...cut.next(size)]);
      const expected: number[] = [];
      while (expected.length < rows.length) expected.push(...whole.next(37));
      expect(rows).toEqual(expected.slice(0, rows.length));
    }),
  );
});

test("training drops the last batch of an epoch when it is not full, validation keeps it", () => {
  const training = sampler({ length: 7, dropLast: true });
  expect([0, 1, 2, 3].map(() => training.next(3).length)).toEqual([3, 3, 3, 3]);
  expect(training.state()).toMatchObject({ epoch: 1, position: 6 });
  const validation = sampler({ length: 7, dropLast: false, shuffle: false });
  expect([0, 1, 2, 3].map(() => [...validation.next(3)])).toEqual([[0, 1, 2], [3, 4, 5], [6], [0, 1, 2]]);
  expect(validation.epoch).toBe(1);
});

test("a restored sampler goes on exactly where the saved one stood", () => {
  for (const numBatches of [0, 1, 5, 6, 7, 12]) {
    const saved = sampler();
    for (let batch = 0; batch < numBatches; batch += 1) saved.next(5);
    const restored = sampler();
    restored.restore(JSON.parse(JSON.stringify(saved.state())) as ReturnType<typeof saved.state>);
    for (let batch = 0; batch < 20; batch += 1) expect(restored.next(5)).toEqual(saved.next(5));
  }
});

test("wrong sizes, seeds and states are RangeErrors", () => {
  for (const length of [0, -1, 1.5, 2 ** 32, NaN]) expect(() => sampler({ length })).toThrow(RangeError);
  for (const seed of [-1, 0.5, 2 ** 53]) expect(() => sampler({ seed })).toThrow(RangeError);
  for (const size of [0, 38, 1.5]) expect(() => sampler().next(size)).toThrow("expected 1 to the 37 rows");
  const restore = (changes: object) => () => {
    sampler().restore({ ...sampler().state(), ...changes });
  };
  expect(restore({ length: 38 })).toThrow("expected the state of 37 rows and seed 1");
  expect(restore({ seed: 2 })).toThrow(RangeError);
  expect(restore({ position: 38 })).toThrow("impossible");
  expect(restore({ epoch: -1 })).toThrow("impossible");
});
