import { expect, test } from "vitest";
import type { GuardConfig } from "../../lib/config/schema.ts";
import { CollapseGuard, type AlarmLine } from "../../lib/guard/guard.ts";
import { alarmWords } from "../../lib/guard/words.ts";
import type { StepMetrics } from "../../lib/types.ts";
import { guardConfig } from "./curves.ts";

const settings = {
  ...{ warmupSteps: 0, window: 1, reference: 2, lag: 1, patience: 1, repeatSteps: 3 },
  thresholds: { sigmas: 0 },
};

/** Settings that act in one mode only are refused in the others, so the action comes last. */
const make = (action: GuardConfig["action"], more: object = {}) =>
  new CollapseGuard({ ...guardConfig({ action: "backoff", ...settings, ...more }), action });

const calm: StepMetrics = { "actor/kl_prcp_loss": -0.1, "actor/pg_clipfrac_higher": 0.001 };
const collapsed: StepMetrics = { "actor/kl_prcp_loss": -0.8, "actor/pg_clipfrac_higher": 0.02 };

/** The collapse's lines by step, of a run that is calm in steps 1 to 3 and then as said: c for collapsed. */
function collapseLines(guard: CollapseGuard, steps: string): [number, AlarmLine][] {
  return Array.from(`---${steps}`).flatMap((kind, index) => {
    const { lines } = guard.observe(index + 1, kind === "c" ? collapsed : calm);
    return lines.filter(({ signal }) => signal === "collapse").map((line): [number, AlarmLine] => [index + 1, line]);
  });
}

const signals = ["kl_prcp", "clip_fraction"];

test("warn tells of each alarm's start and end once, and of the collapse", () => {
  const guard = make("warn");
  const all = [calm, calm, calm, collapsed, collapsed, calm].map((metrics, index) => guard.observe(index + 1, metrics));
  expect(all.map(({ lines }) => lines.length)).toEqual([0, 0, 0, 3, 0, 3]);
  expect(all[3]?.lines).toEqual([
    {
      ...{ signal: "kl_prcp", event: "start", action: "warn", metric: "actor/kl_prcp_loss" },
      ...{ value: 0.8, mean: 0.1, threshold: 0.5 },
    },
    {
      ...{ signal: "clip_fraction", event: "start", action: "warn", metric: "actor/pg_clipfrac_higher" },
      ...{ value: 0.02, mean: 0.001, threshold: 0.003 },
    },
    { signal: "collapse", event: "start", action: "warn", signals },
  ]);
  expect(all[5]?.lines.map(({ signal, event, action }) => [signal, event, action])).toEqual([
    ["kl_prcp", "end", undefined],
    ["clip_fraction", "end", undefined],
    ["collapse", "end", undefined],
  ]);
  expect(guard.klPrcpFactor).toBe(1);
});

test("metrics are the number of alarms and how far the two ratios are", () => {
  const guard = make("warn");
  const metrics = [calm, calm, calm, collapsed].map((values, index) => guard.observe(index + 1, values).metrics);
  expect(metrics[0]).toEqual({ "guard/alarms": 0 });
  expect(metrics[3]).toEqual({ "guard/alarms": 2, "guard/k_ratio": 8, "guard/clip_ratio": 20 });
});

test("backoff lowers the weight at once, then every repeatSteps steps while it lasts, to the floor", () => {
  const guard = make("backoff", { backoff: { factor: 0.5, floor: 0.2 } });
  const line = { signal: "collapse", action: "backoff", signals };
  expect(collapseLines(guard, "cccccccccccc")).toEqual([
    [4, { ...line, event: "start", klPrcpFactor: 0.5 }],
    [7, { ...line, event: "again", klPrcpFactor: 0.25 }],
    [10, { ...line, event: "again", klPrcpFactor: 0.2 }],
  ]);
  expect(guard.klPrcpFactor).toBe(0.2);
});

test("a collapse that begins anew within repeatSteps is only warned of until then", () => {
  const guard = make("backoff");
  const found = collapseLines(guard, "c-cccc").map(([step, { event, action }]) => [step, event, action]);
  expect(found).toEqual([
    [4, "start", "backoff"],
    [5, "end", undefined],
    [6, "start", "warn"],
    [7, "again", "backoff"],
  ]);
  expect(guard.klPrcpFactor).toBe(0.25);
});

test("stop names the step and the signals, and does so again only when the collapse lasts for repeatSteps more", () => {
  const guard = make("stop");
  const stops: number[] = [];
  for (const [index, metrics] of [calm, calm, calm, ...Array<StepMetrics>(5).fill(collapsed)].entries()) {
    guard.observe(index + 1, metrics);
    const error = guard.stopAfter(index + 1);
    if (error) stops.push(error.step);
    if (index === 3) expect(error).toMatchObject({ name: "CollapseError", step: 4, signals });
  }
  expect(stops).toEqual([4, 7]);
});

test("warn and off never stop a run or move the weight, whatever an earlier action left", () => {
  const backedOff = make("backoff");
  collapseLines(backedOff, "ccc");
  for (const action of ["warn", "off", "stop"] as const) {
    const guard = make(action);
    guard.restore(backedOff.state());
    expect(guard.klPrcpFactor).toBe(1);
    if (action !== "stop") expect(guard.stopAfter(4)).toBeUndefined();
  }
  expect(make("off").observe(1, collapsed)).toEqual({ metrics: {}, lines: [] });
});

test("a restored guard goes on as the one that was saved", () => {
  const whole = make("backoff");
  const restored = make("backoff");
  collapseLines(whole, "cc");
  restored.restore(JSON.parse(JSON.stringify(whole.state())) as ReturnType<CollapseGuard["state"]>);
  for (let step = 6; step <= 12; step += 1)
    expect(restored.observe(step, collapsed)).toEqual(whole.observe(step, collapsed));
  expect(restored.klPrcpFactor).toBe(0.125); // steps 4, 7 and 10
  expect(restored.state()).toEqual(whole.state());
});

test("the terminal hears of starts and actions, in words", () => {
  const level = { metric: "actor/kl_prcp_loss", value: 0.8, mean: 0.1, threshold: 0.5 };
  expect(alarmWords(7, { signal: "kl_prcp", event: "start", action: "warn", ...level })).toBe(
    "guard: step 7: the perception KL is 0.800, above 0.500; its running mean was 0.100",
  );
  expect(
    alarmWords(7, { signal: "accuracy", event: "start", action: "warn", value: 0.3, mean: 0.6, threshold: 0.5 }),
  ).toBe("guard: step 7: the accuracy is 0.300, below 0.500; its running mean was 0.600");
  expect(alarmWords(7, { signal: "kl_prcp", event: "end", ...level })).toBeUndefined();
  const collapse = { signal: "collapse", event: "start", signals: ["kl_prcp", "accuracy"] } as const;
  const what = "guard: step 7: the policy collapses by the perception KL and the accuracy";
  expect(alarmWords(7, { ...collapse, action: "warn" })).toBe(what);
  expect(alarmWords(7, { ...collapse, action: "stop" })).toBe(`${what}; the run stops`);
  expect(alarmWords(7, { ...collapse, event: "again", action: "backoff", klPrcpFactor: 0.25 })).toBe(
    "guard: step 7: the policy is still collapsing by the perception KL and the accuracy; the weight of the perception KL " +
      "is 0.250 times the configured one from here on",
  );
});
