import { expect, test } from "vitest";
import { paperStudyOf } from "../../lib/reproduce/paper-study.ts";
import { changesOf, evaluationDefaults, settingsHash, trainingDefaults, trainingSettings } from "../../lib/reproduce/run-settings.ts"; // prettier-ignore
import type { TrainableRun } from "../../lib/reproduce/study.ts";
import { miniRuns, paperRuns } from "../../lib/tables/runs.ts";
import { planned } from "./made-up.ts";
import { tinyStudy } from "./tiny-study.ts";

test("seeds, folders and where copies of model and data are do not change a run's hash; an override does", async () => {
  const hashOf = async (study: ReturnType<typeof tinyStudy>, run: unknown, seed: number, work: string) => {
    const trained = run as TrainableRun;
    const config = study.configOf(trained, seed, work);
    return settingsHash(trainingSettings(config, await study.sourcesOf(trained, config)));
  };
  const mini = await hashOf(tinyStudy(), miniRuns.papoG, 1, "/somewhere");
  expect(await hashOf(tinyStudy(), miniRuns.papoG, 2, "/elsewhere")).toBe(mini);
  expect(await hashOf(tinyStudy(), miniRuns.papoGRatio("0.8"), 1, "/somewhere")).not.toBe(mini);
  expect(await hashOf(tinyStudy({ training: { count: 24, hintShare: 0.25 } }), miniRuns.papoG, 1, "/somewhere")).not.toBe(mini); // prettier-ignore
  const paper = await hashOf(paperStudyOf({}), paperRuns.grpo("3B"), 1, "/somewhere");
  const copies = paperStudyOf({ models: { "3B": "/copy/3b" }, train: "/copy/train.parquet" });
  expect(await hashOf(copies, paperRuns.grpo("3B"), 3, "/elsewhere")).toBe(paper);
  expect(await hashOf(paperStudyOf({}), paperRuns.grpo("7B"), 1, "/somewhere")).not.toBe(paper);
});

test("all runs are asked the same questions, each with its own seed", async () => {
  const [first, , , , second] = await planned("/out", "table1", { seeds: 2 });
  expect([first, second].map((run) => [run?.run.method, run?.seed])).toEqual([["grpo", 1], ["grpo", 2]]); // prettier-ignore
  expect([first, second].map((run) => run?.evaluation.settings.seed)).toEqual([1, 2]);
  expect(second?.evaluation.benchmarks).toEqual(first?.evaluation.benchmarks);
  expect(second?.evaluationSettings).toEqual(first?.evaluationSettings);
});

test("every changed setting is named; keys in another order are no change", () => {
  expect(
    changesOf({ aug: { ratio: 0.4, per: "prompt" }, n: 5 }, { n: 4, aug: { per: "prompt", ratio: 0.6 } }, {}),
  ).toEqual(["aug.ratio was 0.4, is 0.6", "n was 5, is 4"]);
  expect(settingsHash({ a: 1, b: { c: 2, d: 3 } })).toBe(settingsHash({ b: { d: 3, c: 2 }, a: 1 }));
});

test("a setting that papo has learnt since the run is no change at its default, and one at another value", async () => {
  const [run] = await planned("/out", "table4");
  if (!run) throw new Error("expected a run");
  const { clipRatioDual, ...older } = run.settings["algorithm"] as Record<string, unknown>;
  expect(clipRatioDual).toBe(3);
  const recorded = { ...run.settings, algorithm: older };
  expect(changesOf(recorded, run.settings, trainingDefaults())).toEqual([]);
  const now = { ...run.settings, algorithm: { ...older, clipRatioDual: 5 } };
  expect(changesOf(recorded, now, trainingDefaults())).toEqual(["algorithm.clipRatioDual was nothing, is 5"]);
  const { topK, ...sampling } = run.evaluationSettings;
  expect(topK).toBe(-1);
  expect(changesOf(sampling, run.evaluationSettings, evaluationDefaults)).toEqual([]);
});
