import { expect, test } from "vitest";
import { errorOf, minimal, runOf } from "./support.ts";

const fail = (text: string, ...words: string[]) => errorOf(() => runOf(minimal + text, ...words)).message;

// `minimal` has two lines, so the text of a case starts at line 3.
test.each([
  ["optim:\n  lr: fast\n", '4:3: optim.lr: expected a number >= 0, got "fast"'],
  ["optim: { lr: -1 }\n", "3:10: optim.lr: expected a number >= 0, got -1"],
  ["optim: { lr: .nan }\n", "3:10: optim.lr: expected a number >= 0, got NaN"],
  ["optim: { betas: [0.9] }\n", "3:10: optim.betas: expected two numbers >= 0 and < 1, got [0.9]"],
  ["optim: { betas: [0.9, 1] }\n", "3:10: optim.betas.1: expected a number >= 0 and < 1, got 1"],
  ["seed: 1.5\n", "3:1: seed: expected an integer >= 0, got 1.5"],
  ["seed: 99999999999999999999\n", "3:1: seed: expected an integer >= 0, got 100000000000000000000"],
  ["trainer: { valFreq: 0 }\n", "3:12: trainer.valFreq: expected an integer >= 1, or -1 (never), got 0"],
  ["data: { shuffle: yes }\n", '3:9: data.shuffle: expected true or false, got "yes"'],
  ["data: { train: 3 }\n", "3:9: data.train: expected a file, a folder or a Hugging Face data set id, or null, got 3"],
  ["data: { promptKey: '' }\n", '3:9: data.promptKey: expected a column name, got ""'],
  ["algorithm: { policyLoss: cispo }\n", '3:14: algorithm.policyLoss: expected one of ppo, gspo, got "cispo"'],
  ["algorithm: 7\n", "3:1: algorithm: expected a map, got 7"],
  [
    "trainer: { loggers: [console, wandb] }\n",
    "3:12: trainer.loggers.1: expected one of console, jsonl, tensorboard, mlflow, prometheus",
  ],
  [
    "trainer: { loggers: console }\n",
    "3:12: trainer.loggers: expected a list of console, jsonl, tensorboard, mlflow, prometheus",
  ],
  ["aug: { saliency: { layers: 6 } }\n", "3:20: aug.saliency.layers: expected a list of integers >= 0, or null, got 6"],
  ["aug: { saliency: { layers: [] } }\n", "3:20: aug.saliency.layers: expected one layer or more, or null, got []"],
  ["aug: { saliency: { layers: [-1] } }\n", "3:20: aug.saliency.layers.0: expected an integer >= 0, got -1"],
  ["reward: { kwargs: 3 }\n", "3:11: reward.kwargs: expected a map, got 3"],
  ["reward: 3\n", "3:1: reward: expected a map, got 3"],
  ["algorithm: { klPrcp: { tokenTopP: 1 } }\n", "3:24: algorithm.klPrcp.tokenTopP: expected a number > 0 and < 1"],
])("%j is refused with file, line, column, key, rule and what came", (text, message) => {
  expect(fail(text)).toContain(`run.yaml:${message}`);
});

test.each([
  ["algorithm.klRef.mode=reward", "algorithm.klRef.estimator=full", "full needs algorithm.klRef.mode: loss"],
  ["algorithm.klPrcp.enabled=true", "algorithm.klPrcp.estimator=full", "full needs aug.grad: recompute"],
])("a KL over the vocabulary is refused with %s", (mode, setting, rule) => {
  expect(fail("", mode, setting)).toContain(`${setting.split("=")[0] ?? ""}: expected k1, abs, mse or k3 (`);
  expect(fail("", mode, setting)).toContain(rule);
});

test("gae is refused for the critic that it needs", () => {
  expect(fail("algorithm: { advantage: gae }\n")).toBe(
    "run.yaml:3:14: algorithm.advantage: gae needs a critic, which papo does not have; choose one of " +
      'grpo, dapo, rloo, reinforce_plus_plus, remax, dr_grpo, got "gae"',
  );
});

test.each([
  ["optim: { weight_decay: 0 }\n", "3:10: optim.weight_decay: unknown key (did you mean optim.weightDecay?)"],
  ["optim: { wieghtDecay: 0 }\n", "3:10: optim.wieghtDecay: unknown key (did you mean optim.weightDecay?)"],
  ["algoritm: { klPrcp: { coef: 1 } }\n", "3:1: algoritm: unknown key (did you mean algorithm?)"],
  ["klPrcp: { coef: 1, enabled: true }\n", "3:1: klPrcp: unknown key (did you mean algorithm.klPrcp?)"],
  ["trainer: { lr: 1 }\n", "3:12: trainer.lr: unknown key (did you mean optim.lr?)"],
  [
    "algorithm: { kl_prcp_coef: 1 }\n",
    "3:14: algorithm.kl_prcp_coef: unknown key (the reference's name of algorithm.klPrcp.coef)",
  ],
  ["optim: { zzzzzz: 0 }\n", "3:10: optim.zzzzzz: unknown key"],
])("%j is an unknown key with what was probably meant", (text, message) => {
  expect(fail(text)).toBe(`run.yaml:${message}`);
});

test("a hostile long key is refused without a search for its neighbours", () => {
  expect(fail("", `${"k".repeat(100_000)}=1`)).toMatch(/k: unknown key$/u);
});

test("all broken rules are reported at once, one a line", () => {
  const error = errorOf(() => runOf(`${minimal}optim: { lr: x }\ntrainer: { saveFreq: 0 }\n`));
  expect(error.message.split("\n")).toHaveLength(2);
  expect([error.path, error.where]).toEqual(["optim.lr", "run.yaml:3:10"]);
  const many = Array.from({ length: 15 }, (_, index) => `zz${index}: 1`).join("\n");
  expect(fail(`${many}\n`)).toMatch(/\nand 5 more$/u);
});

test.each([
  ["grpo", "1"],
  ["dapo", "1"],
  ["rloo", "1"],
  ["dr_grpo", "1"],
])("%s with a group of %s is refused", (advantage, n) => {
  const message = fail("", `algorithm.advantage=${advantage}`, `rollout.n=${n}`);
  expect(message).toContain("command line: rollout.n: expected an integer >= 2");
  expect(message).toMatch(/, got 1$/u);
});

test("remax and reinforce_plus_plus take a group of one", () => {
  for (const advantage of ["remax", "reinforce_plus_plus"]) {
    expect(runOf(minimal, `algorithm.advantage=${advantage}`, "rollout.n=1").rollout.n).toBe(1);
  }
});

test.each([
  [["data.rolloutBatchSize=100"], "data.rolloutBatchSize: expected a multiple of optim.globalBatchSize (256), got 100"],
  [
    ["optim.microBatchSize=513", "algorithm.lossAvgMode=reference"],
    "optim.microBatchSize: expected an integer <= the batch (optim.globalBatchSize x rollout.n = 512), got 513",
  ],
  [
    ["optim.microBatchSize=7", "algorithm.lossAvgMode=reference"],
    "optim.microBatchSize: expected a divisor of optim.globalBatchSize x rollout.n = 512",
  ],
  [
    ["optim.microBatchSize=513", "compat=reference", "algorithm.lossAvgMode=seq"],
    "optim.microBatchSize: expected an integer <= the batch (optim.globalBatchSize x rollout.n = 512), got 513",
  ],
  [
    ["optim.microBatchSize=7", "compat=reference", "algorithm.lossAvgMode=token"],
    "optim.microBatchSize: expected a divisor of optim.globalBatchSize x rollout.n = 512",
  ],
  [["data.minPixels=5000000"], "data.minPixels: expected an integer <= data.maxPixels (4194304), got 5000000"],
  [
    ["algorithm.filter.enabled=true", "algorithm.filter.low=0.99"],
    "algorithm.filter.low: expected a number < algorithm.filter.high (0.99), got 0.99",
  ],
  [
    ["reward.overlong.cacheLength=513"],
    "reward.overlong.cacheLength: expected an integer <= data.maxResponseLength (512), got 513",
  ],
  [
    ["optim.warmupSteps=8", "trainer.maxSteps=7"],
    "optim.warmupSteps: expected an integer <= trainer.maxSteps (7), got 8",
  ],
  [
    ["guard.lag=6", "guard.window=7"],
    "guard.lag: expected an integer >= guard.window (7), so that no step is in level and mean, got 6",
  ],
  [
    ["guard.action=backoff"],
    "guard.action: expected off, warn or stop (there is a weight to back off with algorithm.klPrcp.enabled only), got backoff",
  ],
  [["trainer.valOnly=true", "data.val=null"], "data.val: expected a data set (trainer.valOnly), got null"],
])("%j do not fit each other", (words, message) => {
  expect(fail("", ...words)).toContain(`command line: ${message}`);
});

test("a batch below the default micro-batch is fine where nothing is averaged by micro-batch", () => {
  expect(runOf(minimal, "optim.globalBatchSize=1").optim).toMatchObject({ globalBatchSize: 1, microBatchSize: 4 });
  expect(fail("", "optim.globalBatchSize=1", "algorithm.lossAvgMode=reference")).toBe(
    "command line: optim.microBatchSize: expected an integer <= the batch (optim.globalBatchSize x rollout.n = 2), got 4",
  );
});

// 0.1 / 0 and 0.2 / 0 would be the entropies' factor.
const annealed = ["algorithm.klPrcp.enabled=true", "algorithm.klPrcp.schedule=annealing"];
test.each([
  ["start", "oriCoef=0.03"],
  ["end", "oriCoef=0.03"],
  ["start", "augCoef=0.03"],
])("annealing %s above a coefficient of 0 cannot scale the entropy %s", (bound, entropy) => {
  const words = [...annealed, `algorithm.klPrcp.annealing.${bound}=0.1`, `algorithm.entropy.${entropy}`];
  expect(fail("", ...words, "aug.grad=recompute", "algorithm.klPrcp.coef=0")).toBe(
    "command line: algorithm.klPrcp.coef: expected a number > 0 " +
      "(schedule annealing scales the entropies by its weight / coef), got 0",
  );
});

test("a coefficient of 0 is taken where annealing leaves it at 0, or is off", () => {
  const entropy = ["algorithm.klPrcp.coef=0", "algorithm.entropy.oriCoef=0.03"];
  expect(runOf(minimal, ...annealed, ...entropy).algorithm.klPrcp.annealing.start).toBe(0);
  expect(runOf(minimal, "algorithm.klPrcp.enabled=true", ...entropy).algorithm.klPrcp.coef).toBe(0);
});

test("a rule between defaults points to the file", () => {
  expect(errorOf(() => runOf("model: { path: x }\n")).message).toMatch(
    /^run\.yaml: rollout\.n: expected an integer >= 2/u,
  );
});
