import { expect, test } from "vitest";
import { KlController, klPrcpCoefAt } from "../../lib/algorithm/coefficient-schedule.ts";
import { algorithmConfig } from "../support/config.ts";

const annealing = algorithmConfig({
  klPrcp: { coef: 0.02, schedule: "annealing", annealing: { start: 0.02, end: 0.004, ratio: 0.5 } },
}).klPrcp;

test("a fixed coefficient does not move", () => {
  const { klPrcp } = algorithmConfig({ klPrcp: { coef: 0.02 } });
  expect([1, 7, 111].map((step) => klPrcpCoefAt(klPrcp, step, 111))).toEqual([0.02, 0.02, 0.02]);
});

test("annealing goes from start at step 1 to end after ratio of the steps, and stays", () => {
  // 17 steps: T = floor(8.5) = 8, so 0.002 less a step
  const values = [1, 2, 5, 9, 17].map((step) => klPrcpCoefAt(annealing, step, 17));
  [0.02, 0.018, 0.012, 0.004, 0.004].forEach((value, index) => {
    expect(values[index]).toBeCloseTo(value, 12);
  });
});

test("annealing over a single step ends at step 2", () => {
  expect(klPrcpCoefAt(annealing, 1, 1)).toBeCloseTo(0.02, 12);
  expect(klPrcpCoefAt(annealing, 2, 1)).toBeCloseTo(0.004, 12);
});

test("a step below 1 throws", () => {
  expect(() => klPrcpCoefAt(annealing, 0, 10)).toThrow(/step: expected 1 or more, got 0/u);
});

const adaptive = algorithmConfig({
  klRef: { mode: "reward", type: "adaptive", coef: 0.1, target: 0.05, horizon: 1000 },
}).klRef;

test("the adaptive controller follows the KL, by at most a fifth", () => {
  const controller = new KlController(adaptive);
  controller.update(0.055, 100); // error 0.1: 0.1 * (1 + 0.1 * 0.1)
  expect(controller.coef).toBeCloseTo(0.101, 12);
  controller.update(5, 100); // error clipped to 0.2
  expect(controller.coef).toBeCloseTo(0.101 * 1.02, 12);
  controller.update(0, 100); // error clipped to -0.2
  expect(controller.coef).toBeCloseTo(0.101 * 1.02 * 0.98, 12);
});

test("a fixed controller ignores the KL", () => {
  const controller = new KlController({ ...adaptive, type: "fixed" });
  controller.update(5, 100);
  expect(controller.coef).toBe(0.1);
});

test("a restored controller goes on as the saved one", () => {
  const saved = new KlController(adaptive);
  saved.update(0.07, 37);
  const restored = new KlController(adaptive);
  restored.restore(JSON.parse(JSON.stringify(saved.state())) as { coef: number });
  saved.update(0.01, 37);
  restored.update(0.01, 37);
  expect(restored.coef).toBe(saved.coef);
});

test("restoring something else than a number throws", () => {
  expect(() => {
    new KlController(adaptive).restore({ coef: NaN });
  }).toThrow(/coef: expected a number, got NaN/u);
});
