import { expect, test } from "vitest";
import {
  advantages,
  centredAdvantages,
  groupAdvantages,
  leaveOneOutAdvantages,
  weightedMoments,
  whiten,
} from "../../lib/algorithm/advantage.ts";

function expectClose(actual: readonly number[], expected: readonly number[], digits = 5): void {
  expect(actual).toHaveLength(expected.length);
  expected.forEach((value, index) => {
    expect(actual[index]).toBeCloseTo(value, digits);
  });
}

test("a group's advantages are centred and divided by the sample std", () => {
  // mean 1.9 / 3 = 0.63333; sample std sqrt(0.60667 / 2) = 0.55076
  expectClose(groupAdvantages([0, 0.9, 1]), [-1.14993, 0.48418, 0.66575]);
});

test("equal rewards give no advantage", () => {
  expectClose(groupAdvantages([0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]), [0, 0, 0, 0, 0, 0, 0], 9);
});

test("Dr.GRPO only centres", () => {
  expectClose(centredAdvantages([0, 0.9, 1.5]), [-0.8, 0.1, 0.7]);
});

test("RLOO takes the mean of the others as baseline", () => {
  // 0 - (0.9 + 1) / 2; 0.9 - 0.5; 1 - 0.45
  expectClose(leaveOneOutAdvantages([0, 0.9, 1]), [-0.95, 0.4, 0.55]);
});

test("REINFORCE++ whitens each reward as often as its response has tokens", () => {
  // tokens 1 1 1 0: mean 0.75, variance (3 * 0.0625 + 0.5625) / 3 = 0.25
  const groups = [
    { rewards: [1], lengths: [3] },
    { rewards: [0], lengths: [1] },
  ];
  expectClose(advantages("reinforce_plus_plus", groups).flat(), [0.5, -1.5]);
});

test("REINFORCE++ keeps the groups and ignores empty responses", () => {
  const result = advantages("reinforce_plus_plus", [
    { rewards: [1, 50], lengths: [3, 0] },
    { rewards: [0], lengths: [1] },
  ]);
  expect(result.map((group) => group.length)).toEqual([2, 1]);
  expectClose([result[0]?.[0] ?? NaN, result[1]?.[0] ?? NaN], [0.5, -1.5]);
});

test("whitening one token, or none, gives 0", () => {
  expectClose(whiten([0.9], [1]), [0]);
  expect(weightedMoments([3], [0])).toEqual({ mean: 0, variance: 0 });
});

test("ReMax takes the greedy response's reward as baseline, also in a group of one", () => {
  expectClose(advantages("remax", [{ rewards: [1, 0], lengths: [1, 1], greedyReward: 0.9 }]).flat(), [0.1, -0.9]);
  expectClose(advantages("remax", [{ rewards: [1], lengths: [1], greedyReward: 0.9 }]).flat(), [0.1]);
});

test("ReMax without a greedy reward throws", () => {
  expect(() => advantages("remax", [{ rewards: [1], lengths: [1] }])).toThrow(/remax needs the greedy/u);
});

test("a group of one is refused where the group is the baseline", () => {
  for (const estimator of ["grpo", "dapo", "rloo", "dr_grpo"] as const) {
    expect(() => advantages(estimator, [{ rewards: [1], lengths: [1] }])).toThrow(RangeError);
  }
});

test("DAPO's advantages are GRPO's", () => {
  const groups = [{ rewards: [0.1, 1, 0.9], lengths: [7, 1, 37] }];
  expect(advantages("dapo", groups)).toEqual(advantages("grpo", groups));
});
