import { expect, test } from "vitest";
import { MetricStore } from "../../lib/dash/metric-store.ts";

const all = { from: 0, to: Number.POSITIVE_INFINITY, points: 100 };

function storeOf(...lines: readonly string[]): MetricStore {
  const store = new MetricStore();
  for (const line of lines) store.addLine(line);
  return store;
}

test("rows come back with the metrics that each line had", () => {
  const store = storeOf('{"step":0,"val/x":2}', '{"step":1,"a":0.5}', '{"step":2,"a":0.25,"val/x":3}');
  expect(store.rows(0, 9)).toEqual([
    { step: 0, values: { "val/x": 2 } },
    { step: 1, values: { a: 0.5 } },
    { step: 2, values: { a: 0.25, "val/x": 3 } },
  ]);
  expect(store.rows(1, 1)).toEqual([{ step: 1, values: { a: 0.5 } }]);
  expect(store.series("val/x", all)).toMatchObject({ steps: [0, 2], mean: [2, 3] });
  expect(store.series("unknown", all)).toMatchObject({ steps: [], count: 0 });
  expect(store.lastStep).toBe(2);
});

test("lines that are no step's metrics, and steps that go back, are counted and left out", () => {
  const store = storeOf(
    '{"step":3,"a":1}',
    "{",
    "null",
    "[]",
    '{"a":1}',
    '{"step":1.5}',
    '{"step":2,"a":7}',
    '{"step":3,"b":1}',
  );
  expect(store.numBadLines).toBe(5);
  expect(store.numEarlier).toBe(1);
  expect(store.rows(0, 9)).toEqual([
    { step: 3, values: { a: 1 } },
    { step: 3, values: { b: 1 } },
  ]);
});

test("values that are not finite, and what is no number, make no point", () => {
  const store = storeOf(
    '{"step":1,"a":null}',
    '{"step":2,"a":1e999}',
    '{"step":3,"a":"7"}',
    '{"step":4,"a":{"b":1}}',
    '{"step":5,"a":2}',
  );
  expect(store.numNonFinite("a")).toBe(1);
  expect(store.series("a", all)).toMatchObject({ steps: [5], mean: [2], count: 1 });
});

test("names that mean something to JavaScript are names", () => {
  const store = storeOf('{"step":1,"__proto__":5,"constructor":7,"toString":8}');
  expect(store.series("constructor", all).mean).toEqual([7]);
  expect(store.rows(0, 1)[0]?.values["constructor"]).toBe(7);
  expect(({} as Record<string, unknown>)["step"]).toBeUndefined();
});

test("a flood of names stops at a thousand", () => {
  const store = new MetricStore();
  for (let step = 0; step < 20; step += 1) {
    const values = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`m${step}-${index}`, 1]));
    store.addLine(JSON.stringify({ step, ...values }));
  }
  expect(store.names).toHaveLength(1000);
  expect(store.numDropped).toBe(1000);
});
