import { expect, test } from "vitest";
import { loadRunConfig } from "../../lib/config/load.ts";
import { errorOf, minimal, runOf } from "./support.ts";

const papo = ["algorithm.klPrcp.enabled=true"];
const oneStep = ["data.rolloutBatchSize=512", "optim.globalBatchSize=512"];
const annealed = [...papo, "algorithm.klPrcp.schedule=annealing"];
const started = [...annealed, "algorithm.klPrcp.annealing.start=0.1"];

// A setting, and the settings with which it acts.
const cases: readonly (readonly [setting: string, acting: readonly string[]])[] = [
  ["algorithm.entropy.augCoef=0.03", ["aug.grad=recompute"]],
  ["algorithm.entropy.kind=full", ["algorithm.entropy.oriCoef=0.03"]],
  ["algorithm.entropy.kind=full", ["algorithm.entropy.augCoef=0.03", "aug.grad=recompute"]],
  ["aug.ratio=0.4", papo],
  ["trainer.mlflow.experiment=mine", ["trainer.loggers=[jsonl,mlflow]"]],
  ["trainer.prometheus.port=9000", ["trainer.loggers=[prometheus]"]],
  ["aug.mode=patch", papo],
  ["aug.patchPx=28", papo],
  ["aug.exact=true", papo],
  ["aug.per=response", papo],
  ["aug.fill=noise", papo],
  ["aug.grad=recompute", papo],
  ["algorithm.klRef.coef=0.01", ["algorithm.klRef.mode=loss"]],
  ["algorithm.klRef.estimator=k3", ["algorithm.klRef.mode=reward"]],
  ["algorithm.klRef.type=adaptive", ["algorithm.klRef.mode=reward"]],
  ["algorithm.klRef.horizon=5", ["algorithm.klRef.mode=reward", "algorithm.klRef.type=adaptive"]],
  ["algorithm.klRef.target=5", ["algorithm.klRef.mode=reward", "algorithm.klRef.type=adaptive"]],
  ["algorithm.klPrcp.coef=0.01", papo],
  ["algorithm.klPrcp.coef=0.02", [...started, "algorithm.entropy.oriCoef=0.03"]],
  ["algorithm.klPrcp.coef=0.03", annealed],
  ["algorithm.klPrcp.coef=0.04", [...annealed, "algorithm.klPrcp.annealing.start=null"]],
  ["algorithm.klPrcp.coef=0", [...papo, "algorithm.klPrcp.annealing.start=null"]],
  ["algorithm.klPrcp.estimator=k3", papo],
  ["algorithm.klPrcp.schedule=annealing", papo],
  ["algorithm.klPrcp.applyMode=correct", papo],
  ["algorithm.klPrcp.clipping=0.2", papo],
  ["algorithm.klPrcp.tokenTopP=0.2", papo],
  ["algorithm.klPrcp.annealing.start=0.1", annealed],
  ["algorithm.klPrcp.annealing.end=0.1", annealed],
  ["algorithm.klPrcp.annealing.ratio=0.1", annealed],
  ["algorithm.klPrcp.incorrectWeighting=0.2", [...papo, "algorithm.klPrcp.applyMode=weighted"]],
  ["algorithm.clipRatioHigh=0.28", ["algorithm.policyLoss=ppo"]],
  ["algorithm.oldLogProbs=rollout", ["algorithm.klRef.mode=loss", "optim.globalBatchSize=256"]],
  ["algorithm.oldLogProbs=rollout", [...oneStep, "algorithm.klRef.mode=reward"]],
  ["algorithm.oldLogProbs=rollout", [...oneStep, "algorithm.klRef.mode=loss", "algorithm.epochs=2"]],
  ["algorithm.gspo.clipRatioHigh=0.001", ["algorithm.policyLoss=gspo"]],
  ["algorithm.filter.key=accuracy", ["algorithm.filter.enabled=true"]],
  ["data.miniRolloutBatchSize=64", ["algorithm.filter.enabled=true"]],
  ["reward.formatWeight=0.2", ["reward.type=math"]],
  ["reward.grader=symbolic", ["reward.type=math"]],
  ["reward.graderTimeoutMs=500", ["reward.grader=symbolic"]],
  ["reward.kwargs.a=1", ["reward.type=./r.mjs"]],
  ["optim.microBatchSize=8", ["algorithm.lossAvgMode=reference"]],
  ["optim.microBatchSize=8", ["compat=reference", "algorithm.lossAvgMode=seq"]],
  ["optim.warmupRatio=0.1", ["optim.warmupSteps=null"]],
  ["optim.minLrRatio=0.1", ["optim.schedule=cosine"]],
  ["guard.thresholds.klPrcp=4", ["guard.action=warn"]],
  ["guard.window=7", ["guard.action=stop"]],
  ["guard.repeatSteps=7", ["guard.action=stop"]],
  ["guard.backoff.factor=0.7", [...papo, "guard.action=backoff"]],
];

// What the opposite is, where it is not the default.
const idle: Readonly<Record<string, readonly string[]>> = {
  "algorithm.klRef.coef=0.01": ["algorithm.klRef.mode=off"],
  "algorithm.klRef.estimator=k3": ["algorithm.klRef.mode=off"],
  "algorithm.klRef.type=adaptive": ["algorithm.klRef.mode=loss"],
  "algorithm.klRef.horizon=5": ["algorithm.klRef.mode=loss", "algorithm.klRef.type=fixed"],
  "algorithm.klPrcp.coef=0": started,
  "algorithm.klPrcp.coef=0.02": started,
  // With compat: reference annealing starts at 0.01 of its own accord.
  "algorithm.klPrcp.coef=0.03": [...annealed, "compat=reference"],
  "algorithm.klPrcp.coef=0.04": [...started, "algorithm.klPrcp.annealing.end=0.2"],
  "algorithm.oldLogProbs=rollout": [...oneStep, "algorithm.klRef.mode=loss"],
  "algorithm.clipRatioHigh=0.28": ["algorithm.policyLoss=gspo"],
  "reward.formatWeight=0.2": ["reward.type=./r.mjs"],
  "reward.grader=symbolic": ["reward.type=./r.mjs"],
  "reward.graderTimeoutMs=500": ["reward.grader=mathruler"],
  "optim.warmupRatio=0.1": ["optim.warmupSteps=2"],
  "guard.thresholds.klPrcp=4": ["guard.action=off"],
  "guard.window=7": ["guard.action=off"],
};

test.each(cases)("%s is taken with %j and refused without", (setting, acting) => {
  expect(runOf(minimal, setting, ...acting).notes.withoutEffect).toEqual([]);
  const error = errorOf(() => runOf(minimal, setting, ...(idle[setting] ?? [])));
  expect(error.message).toContain(`command line: ${setting.split("=")[0] ?? ""}: has no effect without `);
});

const bySaliency = [...papo, "aug.strategy=saliency"];

test.each([
  ["aug.mode=patch", "aug.patchPx=28", "aug.patchPx=7", "aug.exact=false", "aug.per=response"],
  ["aug.saliency.model=org/dinov2", "aug.saliency.layers=[1]", "aug.saliency.cache=a.saliency"],
])("cells are drawn, or are the patches of saliency: %s ...", (...settings) => {
  const [acting, idling] = settings[0] === "aug.mode=patch" ? [papo, bySaliency] : [bySaliency, papo];
  for (const setting of settings) {
    expect(runOf(minimal, ...acting, setting).notes.withoutEffect).toEqual([]);
    const error = errorOf(() => runOf(minimal, ...idling, setting));
    expect(error.message).toContain(
      `command line: ${setting.split("=")[0] ?? ""}: has no effect without aug.strategy: `,
    );
  }
});

test("a recipe with the published cells takes masks by saliency", () => {
  const words = ["qwen2_5_vl_3b_grpo_papo", "aug.strategy=saliency", "aug.ratio=0.4", "aug.fill=noise"];
  expect(loadRunConfig(words).notes.withoutEffect).toEqual([]);
  expect(errorOf(() => runOf(minimal, "aug.strategy=saliency")).message).toContain("aug.strategy: has no effect");
});

test("values that say off are right in every mode", () => {
  const off = ["algorithm.entropy.augCoef=0", "algorithm.klPrcp.coef=0", "algorithm.klPrcp.clipping=null"];
  expect(runOf(minimal, ...off, "aug.grad=none", "optim.minLrRatio=0").notes.withoutEffect).toEqual([]);
});

test("a file's own idle setting is refused with its place, a recipe's is noted once", () => {
  const text = "extends: qwen2_5_vl_7b_grpo_papo\nalgorithm: { entropy: { augCoef: 0.02 } }\n";
  expect(errorOf(() => runOf(text)).message).toMatch(/^run\.yaml:2:25: algorithm\.entropy\.augCoef: has no effect/u);
  const { withoutEffect } = loadRunConfig(["qwen2_5_vl_7b_grpo_papo"]).notes;
  expect(withoutEffect).toHaveLength(1);
  expect(withoutEffect[0]).toMatch(/^algorithm\.entropy\.augCoef: has no effect without aug\.grad: recompute/u);
});

test("a recipe's weight that annealing passes over is noted, one of the user's is refused", () => {
  const words = ["qwen2_5_vl_3b_grpo_papo", ...started];
  expect(loadRunConfig(words).notes.withoutEffect).toEqual([
    "algorithm.klPrcp.coef: has no effect without algorithm.klPrcp.schedule: fixed, algorithm.klPrcp.annealing.start: " +
      "null (and compat: none), or an entropy coefficient above 0 that acts",
  ]);
  expect(errorOf(() => loadRunConfig([...words, "algorithm.klPrcp.coef=0.02"])).path).toBe("algorithm.klPrcp.coef");
});

test("a setting in a part that is off is refused though a recipe below set the same", () => {
  const words = ["qwen2_5_vl_3b_grpo_papo", "algorithm.klPrcp.enabled=false"];
  expect(loadRunConfig(words).notes.withoutEffect).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^algorithm\.klPrcp\.coef: /u),
      expect.stringMatching(/^aug\.ratio: /u),
    ]),
  );
  expect(errorOf(() => loadRunConfig([...words, "aug.ratio=0.4"])).message).toContain("command line: aug.ratio: ");
});
