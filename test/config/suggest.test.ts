import { expect, test } from "vitest";
import { didYouMean, editDistance, nearest } from "../../lib/config/suggest.ts";

test.each([
  ["", "", 0],
  ["a", "", 1],
  ["", "abc", 3],
  ["kitten", "sitting", 3], // k>s, e>i, +g
  ["coef", "ceof", 1], // a swap of neighbours counts once
  ["abcdef", "badcfe", 3],
])("from %j to %j it takes %d edits", (a, b, edits) => {
  expect(editDistance(a, b)).toBe(edits);
  expect(editDistance(b, a)).toBe(edits);
});

test("the nearest key has the nearest last part, then the nearest path", () => {
  const keys = ["algorithm.klRef.coef", "algorithm.klPrcp.coef", "optim.weightDecay"];
  expect(nearest("algorithm.klprcp.coeff", keys)).toBe("algorithm.klPrcp.coef");
  expect(nearest("weight_decay", keys)).toBe("optim.weightDecay");
  expect(nearest("optim.momentum", keys)).toBeUndefined();
  expect(nearest("x", ["n"])).toBeUndefined();
  expect(nearest("k".repeat(101), ["k".repeat(101)])).toBeUndefined();
  expect([didYouMean("weight_decay", keys), didYouMean("zzz", keys)]).toEqual([
    " (did you mean optim.weightDecay?)",
    "",
  ]);
});
