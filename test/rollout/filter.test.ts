import { expect, test } from "vitest";
import { RewardError } from "../../lib/errors.ts";
import { keepInformative } from "../../lib/rollout/filter.ts";

const bounds = { key: "accuracy", low: 0.01, high: 0.99 };

/** A group whose responses have these accuracies; overall is the other way round. */
function group(...accuracies: number[]) {
  return { accuracies, rewards: accuracies.map((accuracy) => ({ overall: 1 - accuracy, accuracy })) };
}

test("groups that are all right or all wrong are dropped, the others keep their order", () => {
  const mixed = [group(0, 1, 0), group(1, 0, 1)];
  expect(keepInformative([group(0, 0, 0), mixed[0] ?? group(), group(1, 1, 1), mixed[1] ?? group()], bounds)).toEqual(
    mixed,
  );
});

test("a mean on a bound is outside", () => {
  const options = { key: "overall", low: 0.25, high: 0.75 };
  // Means of overall: 0.25, 0.75, 0.5.
  const groups = [group(0.5, 1), group(0.5, 0), group(0, 1)];
  expect(keepInformative(groups, options)).toEqual([groups[2]]);
});

test("a reward without the part is an error that lists the parts it has", () => {
  expect(() => keepInformative([group(1)], { ...bounds, key: "acc" })).toThrow(
    new RewardError("algorithm.filter.key: expected one of the reward's parts overall, accuracy, got acc"),
  );
});
