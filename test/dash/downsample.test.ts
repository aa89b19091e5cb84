import fc from "fast-check";
import { expect, test } from "vitest";
import { downsample } from "../../lib/dash/downsample.ts";

const all = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY };

/** Steps that grow by 1 to 9, with a value or none each. */
const curve = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.option(fc.double({ min: -1e3, max: 1e3, noNaN: true }))), {
    maxLength: 300,
  })
  .map((rows) => {
    let step = 0;
    const steps = Float64Array.from(rows, ([gap]) => (step += gap));
    return { steps, values: Float64Array.from(rows, ([, value]) => value ?? Number.NaN) };
  });

test("few enough values stay as they are", () => {
  const steps = Float64Array.of(1, 2, 5, 9);
  const values = Float64Array.of(3, Number.NaN, -1, 7);
  const series = downsample(steps, values, { ...all, points: 3 });
  expect(series).toEqual({ steps: [1, 5, 9], mean: [3, -1, 7], min: [3, -1, 7], max: [3, -1, 7], count: 3 });
});

test("each point is the least, mean and most of its part of the steps", () => {
  const steps = Float64Array.from({ length: 8 }, (_, index) => index); // parts of 3.5 steps: 0 to 3, 4 to 7
  const values = Float64Array.of(1, 9, 2, 4, -3, 0, 5, 6);
  expect(downsample(steps, values, { ...all, points: 2 })).toEqual({
    steps: [1, 5], // 1.5 and 5.5, rounded down
    mean: [4, 2],
    min: [1, -3],
    max: [9, 6],
    count: 8,
  });
});

test("no more points than asked for, in order, that keep extremes and mean", () => {
  fc.assert(
    fc.property(curve, fc.integer({ min: 1, max: 50 }), ({ steps, values }, points) => {
      const present = [...values].filter((value) => !Number.isNaN(value));
      const series = downsample(steps, values, { ...all, points });
      expect(series.count).toBe(present.length);
      expect(series.steps.length).toBeLessThanOrEqual(points);
      for (const [index, step] of series.steps.entries())
        if (index > 0) expect(step).toBeGreaterThan(series.steps[index - 1] ?? 0);
      if (present.length === 0) return;
      expect(Math.min(...series.min)).toBe(Math.min(...present));
      expect(Math.max(...series.max)).toBe(Math.max(...present));
      for (const [index, mean] of series.mean.entries()) {
        expect(mean).toBeGreaterThanOrEqual((series.min[index] ?? 0) - 1e-9);
        expect(mean).toBeLessThanOrEqual((series.max[index] ?? 0) + 1e-9);
      }
    }),
  );
});

test("a part of the steps is that part of the curve, both ends with it", () => {
  fc.assert(
    fc.property(curve, fc.integer({ min: 0, max: 900 }), fc.integer({ min: 0, max: 900 }), (whole, from, length) => {
      const to = from + length;
      const within = [...whole.steps.keys()].filter(
        (row) => (whole.steps[row] ?? 0) >= from && (whole.steps[row] ?? 0) <= to,
      );
      const cut = (column: Float64Array) => Float64Array.from(within, (row) => column[row] ?? 0);
      const expected = downsample(cut(whole.steps), cut(whole.values), { ...all, points: 20 });
      expect(downsample(whole.steps, whole.values, { from, to, points: 20 })).toEqual(expected);
    }),
  );
});
