import { expect, test } from "vitest";
import { halfWidth95, relativeGain, studentT975 } from "../../lib/tables/statistics.ts";

// Quantiles of Student's t at 0.975 from printed tables.
test.each([
  [1, 12.7062],
  [2, 4.30265],
  [10, 2.22814],
  [11, 2.20099],
  [15, 2.13145],
  [30, 2.04227],
  [100, 1.98397],
  [1000, 1.96234],
])("the t quantile of %i degrees of freedom is %f", (degrees, expected) => {
  expect(Math.abs(studentT975(degrees) - expected)).toBeLessThan(1e-3);
});

test("the interval of 61, 63 and 62 is half 2.484 wide", () => {
  // standard deviation 1, by the root of 3: 0.57735; times 4.3027
  expect(halfWidth95([61, 63, 62])).toBeCloseTo(2.4842, 3);
});

test("one value has no interval", () => {
  expect(halfWidth95([61])).toBeUndefined();
  expect(halfWidth95([])).toBeUndefined();
});

test("the gain is the mean of the columns' gains, not the gain of the means", () => {
  // 10 -> 20 is 100 %, 50 -> 55 is 10 %: mean 55; the means 30 -> 37.5 give 25
  expect(relativeGain([20, 55], [10, 50])).toBeCloseTo(55, 10);
});
