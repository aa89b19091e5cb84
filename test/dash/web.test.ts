// The plain functions of the page.
import fc from "fast-check";
import { expect, test } from "vitest";
import { planCharts } from "../../lib/dash/web/chart-plan.ts";
import { formatValue } from "../../lib/dash/web/format.ts";
import { align, smooth } from "../../lib/dash/web/smooth.ts";
import { tokenKl } from "../../lib/dash/web/token-kl.ts";

test("smoothing is the weighted mean of all values so far, nearer ones weighing more", () => {
  // weights 1/4, 1/2 and 1 of what came two steps, one step and now
  const expected = [8, (0.5 * 8 + 2) / 1.5, (0.25 * 8 + 0.5 * 2 + 5) / 1.75];
  for (const steps of [
    [1, 2, 3],
    [1000, 3000, 5000],
  ])
    // prettier-ignore
    for (const [index, value] of smooth(steps, [8, 2, 5], 0.5).entries()) expect(value).toBeCloseTo(expected[index] ?? 0, 12);
  expect(smooth([1, 2, 3], [8, 2, 5], 0)).toEqual([8, 2, 5]);
  expect(smooth([7], [3], 0.9)).toEqual([3]);
  expect(smooth([7, 7], [3, 3], 0.9)).toEqual([3, 3]);
});

test("smoothing keeps what is constant and stays between least and most", () => {
  const values = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(values, fc.double({ min: 0, max: 0.99, noNaN: true }), (column, weight) => {
      const steps = column.map((_, index) => index * index);
      const slack = 1e-6 * Math.max(1, ...column.map(Math.abs));
      for (const value of smooth(steps, column, weight)) {
        expect(value).toBeGreaterThanOrEqual(Math.min(...column) - slack);
        expect(value).toBeLessThanOrEqual(Math.max(...column) + slack);
      }
    }),
  );
});

test("curves of different steps share one axis, without values where they have none", () => {
  const curves = [{ steps: [1, 3], values: [10, 30] }, { steps: [2, 3, 3], values: [2, 3, 4] }, { steps: [], values: [] }]; // prettier-ignore
  expect(align(curves)).toEqual({
    steps: [1, 2, 3],
    columns: [[10, null, 30], [null, 2, 4], [null, null, null]], // prettier-ignore
  });
});

test("every metric is in one chart or more, by its own name where papo does not know it", () => {
  const known = ["reward/overall", "timing_s/gen", "timing_s/step", "actor/kl_prcp_loss", "val/reward_score"];
  fc.assert(
    fc.property(fc.uniqueArray(fc.oneof(fc.constantFrom(...known), fc.string({ minLength: 1 }))), (names) => {
      const sections = planCharts(names.map((name) => ({ name, unit: "", numNonFinite: 0 })));
      const shown = sections.flatMap(({ charts }) => charts.flatMap(({ metrics }) => metrics.map(({ name }) => name)));
      expect(shown.toSorted()).toEqual(names.toSorted());
    }),
  );
  const [time] = planCharts([{ name: "timing_s/gen", unit: "s", numNonFinite: 0 }]);
  expect(time?.charts).toEqual([{ title: "Step time by phase", metrics: [{ name: "timing_s/gen", label: "gen" }] }]);
});

test("a token's KL is k3 with the clamps of the loss", () => {
  expect(tokenKl(-1, -1)).toBe(0);
  expect(tokenKl(-0.1, -3.1)).toBeCloseTo(Math.exp(-3) + 2, 12);
  expect(tokenKl(-3.1, -0.1)).toBe(10); // e^3 - 4 = 16.1
  expect(tokenKl(0, -500)).toBe(10);
});

test("numbers are short without losing what matters", () => {
  const pairs = [[0, "0"], [0.51341, "0.5134"], [-3.14159, "-3.142"], [1234.56, "1,234.6"], [1e-6, "1.00e-6"], [123456.7, "123,457"], [2.5e9, "2.50e9"], [Number.NaN, "–"]] as const; // prettier-ignore
  for (const [value, text] of pairs) expect(formatValue(value)).toBe(text);
  expect(formatValue(null)).toBe("–");
});
