import { describe, expect, test } from "vitest";
import type { GuardConfig } from "../../lib/config/schema.ts";
import { alarmsOf, type DetectorState, initialState, isCollapse, observe } from "../../lib/guard/detector.ts";
import type { StepMetrics } from "../../lib/types.ts";
import { collapsing, guardConfig, noisy, type Run, stable, watch } from "./curves.ts";

const seeds = Array.from({ length: 50 }, (_, seed) => seed + 1);

describe("the shapes of Figure 11", () => {
  test.for(["line", "exponential"] as const)(
    "a collapse by %s is found in time, by the signals one by one",
    (shape) => {
      for (const seed of seeds) {
        const { first, klPrcpMean } = watch(collapsing(shape), seed);
        // The perception loss begins to fall at step 125; at 168 the exponential is at -0.62 of the -0.9 to come.
        expect(first["collapse"]).toBeGreaterThan(125);
        expect(first["collapse"]).toBeLessThan(shape === "line" ? 152 : 170);
        expect(first["kl_prcp"]).toBeLessThanOrEqual(first["collapse"] ?? 0);
        expect(first["clip_fraction"]).toBeLessThan(165);
        expect(first["entropy"]).toBeGreaterThan(160); // the original one dips until 150 before it rises
        expect(first["entropy"]).toBeLessThan(185);
        expect(first["accuracy"] ?? 200).toBeGreaterThan(130); // 10 % in 56 steps: noise may hide it
        expect(klPrcpMean).toBeLessThan(0.12); // the mean of all steps would be 0.2 at the end: it does not take the fall in
      }
    },
  );

  test("the stable run never raises an alarm", () => {
    for (const seed of seeds) expect(watch(stable, seed).first).toEqual({});
  });

  test("noise is no collapse, and an alarm of one signal in few runs", () => {
    const found = seeds.map((seed) => watch(noisy, seed).first);
    expect(found.filter((first) => "collapse" in first)).toEqual([]);
    expect(found.filter((first) => Object.keys(first).length > 0).length).toBeLessThan(10);
  });

  test("a perception KL that begins near 0 and grows a hundredfold to 0.05 is none", () => {
    const beginning: Run = (step, normal) => ({
      ...stable(step, normal),
      "actor/kl_prcp_loss": -Math.min(0.05, 0.0005 * 1.12 ** step) * Math.exp(0.15 * normal()),
    });
    for (const seed of seeds) expect(watch(beginning, seed).first).toEqual({});
  });
});

/** Every setting small, so that a case can be worked out. */
const small = guardConfig({
  ...{ warmupSteps: 0, window: 1, reference: 2, lag: 1, patience: 1 },
  thresholds: { sigmas: 0, entropy: 2, accuracy: 0.5 },
});

/** The state after steps of a list of metrics each. */
function after(steps: readonly StepMetrics[], config: GuardConfig = small, from: DetectorState = initialState) {
  return steps.reduce((state, metrics, index) => observe(state, config, index + 1, metrics).state, from);
}

const kl = (...values: number[]) => values.map((value): StepMetrics => ({ "actor/kl_prcp_loss": -value }));
const times = (count: number, metrics: StepMetrics) => Array.from({ length: count }, () => metrics);
const calm = {
  ...{ "actor/kl_prcp_loss": -0.1, "actor/pg_clipfrac_higher": 0.001, "actor/entropy_loss": 0.3 },
  ...{ "actor/aug_entropy_loss": 0.4, "reward/accuracy": 0.5 },
};
const alarms = (state: DetectorState) => alarmsOf(state.signals);

test("the threshold is the ratio, or the standard errors where they are further", () => {
  const before = after(kl(0.08, 0.12, 0.1));
  // mean (0.08 + 0.12) / 2; variance 2 x 0.02^2 / 1; of a median of 1 and a mean of 2: x (pi / 2 + 1 / 2)
  const error = Math.sqrt(0.0008 * (Math.PI / 2 + 1 / 2));
  const [near] = observe(before, small, 4, kl(0.6)[0] ?? {}).readings;
  expect(near).toMatchObject({ signal: "kl_prcp", value: 0.6, isAlarm: true, change: "start" });
  expect([near?.mean, near?.threshold, near?.ratio]).toEqual([0.1, 0.5, 0.6 / 0.1]);
  const wide = { ...small, thresholds: { ...small.thresholds, sigmas: 20 } };
  const [far] = observe(before, wide, 4, kl(0.6)[0] ?? {}).readings;
  expect(far?.threshold).toBeCloseTo(0.1 + 20 * error, 12);
  expect(far?.isAlarm).toBe(false);
});

test("a mean below the minimum counts as the minimum", () => {
  expect(alarms(after(kl(1e-4, 1e-4, 1e-4, 0.099)))).toEqual([]); // 5 x 0.02
  expect(alarms(after(kl(1e-4, 1e-4, 1e-4, 0.101)))).toEqual(["kl_prcp"]);
});

test("the first steps count for nothing", () => {
  const config = { ...small, warmupSteps: 3 };
  expect(alarms(after(kl(9, 9, 9, 0.1, 0.1, 0.1, 0.6), config))).toEqual(["kl_prcp"]);
  expect(after(kl(9, 9, 9), config)).toEqual(initialState);
});

test("values that are out of line enter no mean, however long, and the alarm ends when they are back", () => {
  const state = after(kl(0.1, 0.1, 0.1, ...Array<number>(100).fill(0.6)));
  expect(alarms(state)).toEqual(["kl_prcp"]);
  const [back] = observe(state, small, 104, kl(0.2)[0] ?? {}).readings;
  expect(back).toMatchObject({ mean: 0.1, isAlarm: false, change: "end" });
});

test("one step out of line is no alarm, nor are fewer than patience ones", () => {
  const spike = guardConfig({ warmupSteps: 0, thresholds: { sigmas: 0 } });
  const around = kl(...Array<number>(20).fill(0.1), 5, ...Array<number>(20).fill(0.1));
  expect(alarms(after(around.slice(0, 24), spike))).toEqual([]);
  const patient = { ...small, patience: 3 };
  expect(alarms(after(kl(0.1, 0.1, 0.1, 0.6, 0.6, 0.1, 0.6, 0.6), patient))).toEqual([]);
  expect(alarms(after(kl(0.1, 0.1, 0.1, 0.6, 0.6, 0.6), patient))).toEqual(["kl_prcp"]);
  expect(alarms(after(kl(0.1, 0.1, 0.1, 0.6, 0.6, 0.6, 0.1, 0.1), patient))).toEqual(["kl_prcp"]);
  expect(alarms(after(kl(0.1, 0.1, 0.1, 0.6, 0.6, 0.6, 0.1, 0.1, 0.1), patient))).toEqual([]);
});

test("entropy speaks only when both rise", () => {
  const last = (more: StepMetrics) => alarms(after([...times(3, calm), { ...calm, ...more }]));
  expect(last({ "actor/entropy_loss": 0.9 })).toEqual([]);
  expect(last({ "actor/aug_entropy_loss": 1.2 })).toEqual([]);
  expect(last({ "actor/entropy_loss": 0.61, "actor/aug_entropy_loss": 1.2 })).toEqual(["entropy"]);
});

test.for([
  ["the perception KL alone", { "actor/kl_prcp_loss": -0.6 }, false],
  ["all but the perception KL",
    { "actor/pg_clipfrac_higher": 0.01, "actor/entropy_loss": 1, "actor/aug_entropy_loss": 1, "reward/accuracy": 0.1 },
    false],
  ["it and clipping", { "actor/kl_prcp_loss": -0.6, "actor/pg_clipfrac_higher": 0.01 }, true],
  ["it and the entropies",
    { "actor/kl_prcp_loss": -0.6, "actor/entropy_loss": 1, "actor/aug_entropy_loss": 1 }, true],
  ["it and accuracy", { "actor/kl_prcp_loss": -0.6, "reward/accuracy": 0.2 }, true],
] as const)("%s: %j", ([, change, expected]) => {
  expect(isCollapse(after([...times(3, calm), { ...calm, ...change }]))).toBe(expected);
}); // prettier-ignore

test("without a perception KL and a masked picture the accuracy leads, with the one entropy that there is", () => {
  const grpo = { "actor/pg_clipfrac_higher": 0.001, "actor/entropy_loss": 0.3, "reward/accuracy": 0.5 };
  const last = (change: StepMetrics) => after([...times(3, grpo), { ...grpo, ...change }]);
  expect(isCollapse(last({ "reward/accuracy": 0.1 }))).toBe(false);
  expect(isCollapse(last({ "actor/entropy_loss": 0.9, "actor/pg_clipfrac_higher": 0.01 }))).toBe(false);
  expect(isCollapse(last({ "actor/entropy_loss": 0.9, "reward/accuracy": 0.1 }))).toBe(true);
});

test("without an accuracy the overall reward is watched, which may be negative", () => {
  const rewards = (...values: number[]) => values.map((value): StepMetrics => ({ "reward/overall": value }));
  expect(alarms(after(rewards(-0.4, -0.4, -0.4, -0.5)))).toEqual([]); // below -0.4 - 0.5 x 0.4
  expect(alarms(after(rewards(-0.4, -0.4, -0.4, -0.7)))).toEqual(["accuracy"]);
});

test.for([
  ["missing", {}],
  ["not finite", { "actor/kl_prcp_loss": NaN, "actor/entropy_loss": Infinity }],
] as const)("a metric that is %s leaves its signal and its means as they were", ([, hole]) => {
  const state = after([...times(3, calm), { ...calm, "actor/kl_prcp_loss": -0.6 }]);
  expect(after([hole, hole], small, state)).toEqual(state);
});

test("a run without any of the metrics has no alarm", () => {
  expect(after(times(9, { "actor/lr": 1 }))).toEqual(initialState);
});

test("the state survives JSON: what follows is the same", () => {
  const config = guardConfig({ window: 3, warmupSteps: 2 });
  let kept: DetectorState = initialState;
  const restarted = watch(collapsing("line"), 7, config);
  const metrics: StepMetrics[] = [];
  watch((step, normal) => (metrics[step - 1] = collapsing("line")(step, normal)), 7, config);
  for (const [index, values] of metrics.entries()) {
    kept = observe(JSON.parse(JSON.stringify(kept)) as DetectorState, config, index + 1, values).state;
  }
  expect(kept).toEqual(restarted.state);
});
