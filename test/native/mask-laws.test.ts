// What the policy sees of a masked picture.
import { expect, test } from "vitest";
import type { MaskedView } from "../../lib/native/binding.ts";
import {
  logProbs,
  maskedView,
  mixedGroups,
  picture,
  prompt,
  relativeDifference,
  response,
  tinyPolicy,
} from "../support/tiny-policy.ts";

const modes: readonly Partial<MaskedView>[] = [
  { mode: "patch" },
  { mode: "patch", exact: true, fill: "mean" },
  { mode: "raw" },
  { mode: "raw", exact: true, fill: "noise" },
];

test.each(modes)("no patch masked gives the plain log-probs: %j", async (mode) => {
  const policy = await tinyPolicy({ trained: false });
  const groups = mixedGroups();
  const view = { ...maskedView, ...mode, ratio: 0 };
  expect(await logProbs(policy, groups, { view })).toEqual(await logProbs(policy, groups));
});

test.each(modes)("every patch masked changes log-probs after a picture, and only those: %j", async (mode) => {
  const policy = await tinyPolicy({ trained: false });
  const groups = mixedGroups();
  const masked = await logProbs(policy, groups, { view: { ...maskedView, ...mode, ratio: 1 } });
  const plain = await logProbs(policy, groups);
  // 6 tokens after the first picture, 10 after no picture, 6 after two pictures.
  const changed = plain.map((value, index) => Number(Math.abs(value - (masked[index] ?? NaN)) > 1e-4));
  expect(changed.join("")).toMatch(/^1{6}0{10}1{6}$/u);
});

test("all black pictures of a size are equal to the policy, whatever they showed", async () => {
  const policy = await tinyPolicy({ trained: false });
  const scores = (seed: number) =>
    logProbs(policy, [{ prompt: prompt("p", [picture(seed), 5]), responses: [response(7, 1)] }], {
      view: { ...maskedView, ratio: 1 },
    });
  expect(await scores(1)).toEqual(await scores(2));
});

test("with a mask per response and nothing masked, log-probs are the plain ones", async () => {
  const policy = await tinyPolicy({ dtype: "float64", trained: false });
  const groups = mixedGroups();
  const scores = await logProbs(policy, groups, { view: { ...maskedView, ratio: 0, perResponse: true } });
  expect(relativeDifference(scores, await logProbs(policy, groups))).toBeLessThan(1e-10);
});

test("equal responses see one mask when it is the prompt's and two when it is the response's", async () => {
  const policy = await tinyPolicy({ dtype: "float64", trained: false });
  const twins = [{ prompt: prompt("p", [picture(1), 5]), responses: [response(7, 1), response(7, 1)] }];
  const halves = async (perResponse: boolean) => {
    const scores = await logProbs(policy, twins, { view: { ...maskedView, perResponse } });
    return relativeDifference(scores.slice(0, 7), scores.slice(7));
  };
  expect(await halves(false)).toBeLessThan(1e-12);
  expect(await halves(true)).toBeGreaterThan(1e-4);
});

test("the first response's own mask is the one that the prompt's responses share", async () => {
  const policy = await tinyPolicy({ dtype: "float64", trained: false });
  const groups = [{ prompt: prompt("p", [picture(1), 5]), responses: [response(7, 1), response(3, 2)] }];
  const own = await logProbs(policy, groups, { view: { ...maskedView, perResponse: true } });
  const shared = await logProbs(policy, groups, { view: maskedView });
  expect(relativeDifference(own.slice(0, 7), shared.slice(0, 7))).toBeLessThan(1e-12);
});

test.each([{ seed: 4 }, { fill: "mean" as const }, { ratio: 0.3 }])("%j is another view", async (change) => {
  const policy = await tinyPolicy({ trained: false });
  const groups = mixedGroups();
  const expected = await logProbs(policy, groups, { view: maskedView });
  expect(await logProbs(policy, groups, { view: maskedView })).toEqual(expected);
  expect(
    relativeDifference(await logProbs(policy, groups, { view: { ...maskedView, ...change } }), expected),
  ).toBeGreaterThan(1e-4);
});

test("a prompt that comes again in another epoch has another mask, in both modes of whose mask it is", async () => {
  const policy = await tinyPolicy({ trained: false });
  const scores = (epoch: number, perResponse: boolean) => {
    const groups = mixedGroups().map((group) => ({ ...group, prompt: { ...group.prompt, epoch } }));
    return logProbs(policy, groups, { view: { ...maskedView, perResponse } });
  };
  for (const perResponse of [false, true]) {
    const first = await scores(0, perResponse);
    expect(await scores(0, perResponse)).toEqual(first);
    expect(relativeDifference(await scores(1, perResponse), first)).toBeGreaterThan(1e-4);
  }
});

test("a mask belongs to the example and the picture's place, not to the place in the batch", async () => {
  const policy = await tinyPolicy({ dtype: "float64", trained: false });
  const groups = mixedGroups();
  const options = { view: maskedView };
  const forward = await logProbs(policy, groups, options);
  const backward = await logProbs(policy, groups.toReversed(), options);
  expect(relativeDifference(backward.slice(16), forward.slice(0, 6))).toBeLessThan(1e-10);
  expect(relativeDifference(backward.slice(0, 6), forward.slice(16))).toBeLessThan(1e-10);
});
