import { expect, test } from "vitest";
import { ResultsError } from "../../lib/errors.ts";
import type { ResultsProblem } from "../../lib/errors.ts";
import { tables } from "../../lib/tables/registry.ts";
import type { Results } from "../../lib/tables/results.ts";
import { abc, evaluation, runRef, runWith, score } from "./support.ts";

const grpo = runRef("grpo");
const papo = runRef("papo_g");
const good = abc(grpo, 40, 60, 20);
const withB = (b: ReturnType<typeof score>) => evaluation(papo, [score("a", 41), b, score("c", 21)]);
const curve = (values: readonly (number | null)[]) => runWith(grpo, { "reward/accuracy": values });
const errors = (run: typeof grpo, counts: Record<string, number>) => ({
  run,
  settings: "eval",
  benchmark: "digits",
  counts,
});
const attention = { run: grpo, settings: "eval", benchmark: "digits", mean: 0.9, median: 0.9, numSamples: 10 };

const cases: readonly [string, string, Results, ResultsProblem, RegExp][] = [
  // evaluations
  ["seeds trained with different settings", "table1", { evaluations: [good, abc(runRef("grpo", { seed: 2, settings: "other" }), 1, 2, 3)] }, "settings", /grpo-1 and grpo-2 were trained with different settings \(train-grpo, other\)/u],
  ["models evaluated with different settings", "table1", { evaluations: [good, { ...abc(papo, 1, 2, 3), settings: "other" }] }, "settings", /grpo-1 and papo_g-1 were evaluated with different settings \(eval, other\)/u],
  ["another number of responses a row", "table1", { evaluations: [good, withB(score("b", 60, { n: 4 }))] }, "settings", /papo_g-1: b: expected 8 responses a row.* got 4/u],
  ["another group of a benchmark", "table1", { evaluations: [good, withB(score("b", 60, { group: "x" }))] }, "settings", /papo_g-1: b: expected group general/u],
  ["a missing benchmark", "table1", { evaluations: [good, evaluation(papo, [score("a", 1), score("c", 2)])] }, "missing", /papo_g-1 has no benchmark b, grpo-1 has it/u],
  ["a benchmark that the first result lacks", "table1", { evaluations: [good, evaluation(papo, [...good.benchmarks, score("d", 2)])] }, "missing", /grpo-1 has no benchmark d, papo_g-1 has it/u],
  ["a benchmark twice", "table1", { evaluations: [evaluation(grpo, [score("a", 1), score("a", 1)])] }, "duplicate", /grpo-1 has benchmark a twice/u],
  ["a seed twice", "table1", { evaluations: [good, { ...good, run: { ...grpo, id: "again" } }] }, "duplicate", /grpo-1 and again are both results of grpo mini, seed 1/u],
  ["another number of rows", "table1", { evaluations: [good, withB(score("b", 60, { rows: 49, numEvaluated: 49 }))] }, "rows", /papo_g-1: b: expected 50 rows, as another result has, got 49/u],
  ["a complete benchmark with rows left", "table1", { evaluations: [good, withB(score("b", 60, { numEvaluated: 49 }))] }, "rows", /expected 50 evaluated rows, got 49/u],
  ["more rows than there are", "table1", { evaluations: [good, withB(score("b", null, { numEvaluated: 51, complete: false }))] }, "rows", /expected at most 50 evaluated rows, got 51/u],
  ["no accuracy", "table1", { evaluations: [good, withB(score("b", null))] }, "value", /papo_g-1: b: expected an accuracy from 0 to 100 %, got null/u],
  ["an accuracy that is no number", "table1", { evaluations: [good, withB(score("b", Number.NaN))] }, "value", /got NaN/u],
  ["an accuracy above 100 %", "table1", { evaluations: [good, withB(score("b", 100.1))] }, "value", /got 100.1/u],
  ["an interval that is upside down", "table1", { evaluations: [good, withB(score("b", 60, { interval: { low: 61, high: 59 } }))] }, "value", /got 61 to 59/u],
  ["more steps than planned", "table1", { evaluations: [abc(runRef("grpo", { step: 21 }), 1, 2, 3)] }, "rows", /grpo-1: expected steps done of steps planned, got 21 of 20/u],
  // curves
  ["a step twice", "figure4", { runs: [{ run: grpo, curves: { "reward/accuracy": { steps: [1, 2, 2], values: [0, 0, 0] } } }] }, "duplicate", /grpo-1: reward\/accuracy: step 2 comes after step 2/u],
  ["a step without a value", "figure4", { runs: [{ run: grpo, curves: { "reward/accuracy": { steps: [1, 2], values: [0] } } }] }, "rows", /expected a value a step \(2\), got 1/u],
  ["a run without the metric", "figure4", { runs: [runWith(grpo, { "reward/overall": [0.5] })] }, "missing", /grpo-1 has no metric reward\/accuracy/u],
  ["curves of different settings", "figure4", { runs: [curve([0.5]), { ...curve([0.5]), run: runRef("grpo", { seed: 2, settings: "other" }) }] }, "settings", /they are not averaged/u],
  ["a run of too few timed steps", "table14", { runs: [runWith(grpo, { "timing_s/step": Array.from({ length: 9 }, () => 1) })] }, "rows", /timing_s\/step: expected 10 or more steps, got 9/u],
  // error classes
  ["counts of a seed twice", "figure1", { errorClasses: [errors(grpo, { perception: 1 }), errors(grpo, { perception: 2 })] }, "duplicate", /are both results of grpo mini, seed 1, digits/u],
  ["half an error", "figure1", { errorClasses: [errors(grpo, { perception: 1.5 })] }, "value", /grpo-1: digits: perception: expected a count, got 1.5/u],
  ["another number of responses than the baseline", "figure1", { errorClasses: [errors(grpo, { perception: 1, correct: 9 }), errors(papo, { perception: 1, correct: 8 })] }, "rows", /papo_g-1: expected 10 responses, as grpo-1 has, got 9/u],
  ["a baseline without errors", "figure1", { errorClasses: [errors(grpo, { correct: 9 })] }, "value", /grpo-1: expected errors, got none/u],
  [
    "errors of responses to other settings",
    "figure1",
    { errorClasses: [errors(grpo, { perception: 1 }), { ...errors(papo, { perception: 1 }), settings: "other" }] },
    "settings",
    /grpo-1 and papo_g-1 were evaluated with different settings/u,
  ],
  // attention
  [
    "attention measured with other settings",
    "table9",
    { attention: [attention, { ...attention, run: papo, settings: "other" }] },
    "settings",
    /grpo-1 and papo_g-1 were evaluated with different settings/u,
  ],
  ["attention of a seed twice", "table9", { attention: [attention, attention] }, "duplicate", /grpo mini, seed 1, digits/u],
  ["an entropy above one", "table9", { attention: [{ ...attention, mean: 1.01 }] }, "value", /expected entropies from 0 to 1, got 1.01 and 0.9/u],
  ["no samples", "table9", { attention: [{ ...attention, numSamples: 0 }] }, "rows", /expected samples, got 0/u],
]; // prettier-ignore

test.each(cases)("%s: refused by name", (_, name, results, problem, message) => {
  const make = () => tables[name]?.make("mini", results);
  expect(make).toThrow(ResultsError);
  expect(make).toThrow(message);
  expect(make).toThrow(expect.objectContaining({ problem }) as Error);
});
