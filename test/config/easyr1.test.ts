import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadRunConfig } from "../../lib/config/load.ts";
import { dapoOverrides, entropyOverrides, referenceYaml, scriptOverrides } from "./reference-yaml.ts";
import { errorOf, folderWith } from "./support.ts";

const grpo = referenceYaml({ advantage: "grpo", papo: false });
const grpoPapo = referenceYaml({ advantage: "grpo", papo: true });
const dapo = referenceYaml({ advantage: "dapo", papo: false });
const dapoPapo = referenceYaml({ advantage: "dapo", papo: true });

function load(yaml: string, ...words: string[]) {
  const cwd = folderWith({ "config.yaml": yaml });
  return loadRunConfig(["config=config.yaml", ...words], { cwd });
}
const fail = (yaml: string, ...words: string[]) => errorOf(() => load(yaml, ...words)).message;

const small = "Qwen/Qwen2.5-VL-3B-Instruct";
const large = "Qwen/Qwen2.5-VL-7B-Instruct";

// Recipe, the YAML that its script starts from, model, further overrides of the script.
const scripts: readonly (readonly [string, string, string, readonly string[]])[] = [
  ["qwen2_5_vl_3b_grpo", grpo, small, []],
  ["qwen2_5_vl_7b_grpo", grpo, large, []],
  ["qwen2_5_vl_3b_grpo_papo", grpoPapo, small, ["algorithm.kl_prcp_coef=0.02"]],
  ["qwen2_5_vl_7b_grpo_papo", grpoPapo, large, ["algorithm.kl_prcp_coef=0.02", ...entropyOverrides(0.05)]],
  ["qwen2_5_vl_3b_grpo_papo_no_kl_ref", grpoPapo, small, ["algorithm.disable_kl=true", ...entropyOverrides(0.03)]],
  ["qwen2_5_vl_7b_grpo_papo_no_kl_ref", grpoPapo, large, ["algorithm.disable_kl=true", ...entropyOverrides(0.03)]],
  ["qwen2_5_vl_3b_dapo", dapo, small, dapoOverrides],
  ["qwen2_5_vl_7b_dapo", dapo, large, dapoOverrides],
  ["qwen2_5_vl_3b_dapo_papo", dapoPapo, small, [...dapoOverrides, ...entropyOverrides(0.03)]],
  ["qwen2_5_vl_7b_dapo_papo", dapoPapo, large, [...dapoOverrides, ...entropyOverrides(0.03)]],
];

test.each(scripts)("%s is what the reference's YAML and its script's overrides mean", (name, yaml, model, words) => {
  const theirs = load(yaml, ...scriptOverrides(model, name), ...words, "trainer.outDir=/runs");
  expect({ ...theirs, notes: 0 }).toEqual({ ...loadRunConfig([name, "trainer.outDir=/runs"]), notes: 0 });
});

test("keys without use, keys that the reference never reads and idle keys are listed once each", () => {
  const { ignored, neverRead, withoutEffect } = load(grpoPapo, "data.rollout_batch_size=384").notes;
  const keys = (notes: readonly string[]) => notes.map((note) => note.slice(0, note.indexOf(":")));
  expect(keys(neverRead)).toEqual(["trainer.save_best_checkpoint", "algorithm.incorrect_weighting"]);
  expect(keys(ignored)).toEqual(
    expect.arrayContaining(["worker.rollout.gpu_memory_utilization", "trainer.nnodes", "worker.ref.fsdp.torch_dtype"]),
  );
  expect(keys(withoutEffect)).toEqual(
    expect.arrayContaining([
      "algorithm.aug_entropy_loss_coef",
      "algorithm.kl_prcp_schedule_args.start_value",
      "worker.actor.micro_batch_size_per_device_for_update",
    ]),
  );
  const all = [...ignored, ...neverRead, ...withoutEffect];
  expect(new Set(keys(all)).size).toBe(all.length);
});

test("more keys that the reference never reads are named as such", () => {
  const words = ["worker.actor.optim.min_lr_ratio=0.1", "worker.actor.optim.warmup_style=cosine"];
  const { notes, optim } = load(grpo, "data.rollout_batch_size=384", ...words);
  expect(notes.neverRead.join("\n")).toContain("worker.actor.optim.min_lr_ratio");
  expect(notes.neverRead.join("\n")).toContain("worker.actor.optim.warmup_style");
  expect([optim.schedule, optim.minLrRatio]).toEqual(["constant", 0]);
});

test("actor keys that the reference overwrites do nothing, as there", () => {
  const run = load(grpo, "data.rollout_batch_size=384", "worker.actor.kl_coef=5", "worker.actor.loss_avg_mode=seq");
  expect(run.algorithm.klRef.coef).toBe(0.01);
  expect(run.algorithm.lossAvgMode).toBe("token");
  expect(run.notes.ignored.join("\n")).toContain(
    "worker.actor.kl_coef: the reference overwrites it with algorithm.kl_coef",
  );
});

test("switches decide about their values, with the reference's default where the value is missing", () => {
  const minimal = "worker: { actor: { model: { model_path: a/b } }, rollout: { n: 2 } }\n";
  const on = ["use_kl_prcp_clipping", "use_kl_prcp_token_level_mask", "use_sft_loss", "use_ori_entropy_loss"];
  const { algorithm } = load(minimal, ...on.map((key) => `algorithm.${key}=true`), "algorithm.use_kl_prcp=yes");
  expect(algorithm.klPrcp).toMatchObject({ enabled: true, clipping: 0.2, tokenTopP: 0.2 });
  expect([algorithm.sft.coef, algorithm.entropy.oriCoef, algorithm.entropy.augCoef]).toEqual([1e-3, 0.03, 0]);
  expect(fail(minimal, "algorithm.use_sft_loss=3")).toBe(
    "command line: algorithm.use_sft_loss: expected true or false, got 3",
  );
});

test("the KL goes into the reward, into the loss, or nowhere", () => {
  const mode = (...words: string[]) => load(grpo, "data.rollout_batch_size=384", ...words).algorithm.klRef.mode;
  expect(mode()).toBe("loss");
  expect(mode("algorithm.use_kl_loss=false")).toBe("reward");
  expect(mode("algorithm.disable_kl=true")).toBe("off");
});

test("papo's own keys may stand beside the reference's on the command line, under papo's own rules", () => {
  const words = ["data.rollout_batch_size=384", "aug.grad=recompute", "compat=reference", "seed=9"];
  const run = load(grpoPapo, ...words);
  expect([run.aug.grad, run.compat, run.seed, run.algorithm.lossAvgMode]).toEqual([
    "recompute",
    "reference",
    9,
    "reference",
  ]);
  expect(fail(grpoPapo, ...words.slice(0, 1), "algorithm.entropy.augCoef=0.1")).toContain(
    "has no effect without aug.grad",
  );
});

test("apply modes other than all, which the reference only names, work here with their weight", () => {
  const words = [
    "data.rollout_batch_size=384",
    "algorithm.kl_prcp_apply_mode=weighted",
    "algorithm.incorrect_weighting=0.3",
  ];
  expect(load(grpoPapo, ...words).algorithm.klPrcp).toMatchObject({ applyMode: "weighted", incorrectWeighting: 0.3 });
});

test("paths of the reference start from the working folder, and its template is built in where the file is missing", () => {
  const cwd = folderWith({ "math_perception.jinja": "{{ content }}", "rows.jsonl": "" });
  mkdirSync(join(cwd, "examples"));
  writeFileSync(join(cwd, "examples", "config.yaml"), grpo);
  const words = ["examples/config.yaml", "data.rollout_batch_size=384", "data.train_files=rows.jsonl@train"];
  const run = loadRunConfig(words, { cwd });
  expect(run.data).toMatchObject({ formatPrompt: "math_perception", train: `${join(cwd, "rows.jsonl")}@train` });
  const present = loadRunConfig([...words, "data.format_prompt=math_perception.jinja"], { cwd });
  expect(present.data.formatPrompt).toBe(join(cwd, "math_perception.jinja"));
});

test("a reward module in JavaScript may stand where the reference names Python", () => {
  expect(load(grpo, "data.rollout_batch_size=384", "worker.reward.reward_function=./r.mjs").reward.type).toMatch(
    /[/\\]r\.mjs$/u,
  );
});

test("the published reward is known wherever its repository lies", () => {
  const word = "worker.reward.reward_function=/code/papo/examples/reward_function/math.py:compute_score";
  const weight = "worker.reward.reward_function_kwargs.format_weight=0.3";
  expect(load(grpo, "data.rollout_batch_size=384", word, weight).reward).toMatchObject({
    type: "math",
    formatWeight: 0.3,
    kwargs: {},
  });
});

test("arguments of the reward go to a module in JavaScript as they are", () => {
  const yaml = grpo.replace(
    "reward_function: ./examples/reward_function/math.py:compute_score",
    "reward_function: ./r.mjs\n    reward_function_kwargs: { format_weight: 0.3, a.b: [1], deep: { x: 7, none: {} } }",
  );
  const run = load(yaml, "data.rollout_batch_size=384", "worker.reward.reward_function_kwargs.deep.x=8");
  expect(run.reward.kwargs).toEqual({ format_weight: 0.3, "a.b": [1], deep: { x: 8, none: {} } });
  expect(run.reward.formatWeight).toBe(0.1);
  expect(run.notes.withoutEffect.join("\n")).not.toContain("worker.reward");
});

test("a reward that is refused is the only line about the reward", () => {
  const words = ["worker.reward.reward_function=./mine.py:score", "worker.reward.reward_function_kwargs.bonus=2"];
  expect(fail(grpo, ...words).split("\n")).toHaveLength(1);
});

test("discounts that the estimator does not use are without effect, and REINFORCE++ has none", () => {
  const words = ["data.rollout_batch_size=384", "algorithm.gamma=0.9", "algorithm.lam=0.95"];
  const { withoutEffect, ignored } = load(grpo, ...words).notes;
  expect(withoutEffect).toEqual(
    expect.arrayContaining([
      "algorithm.gamma: has no effect without algorithm.adv_estimator: gae or reinforce_plus_plus",
      "algorithm.lam: has no effect without algorithm.adv_estimator: gae",
    ]),
  );
  expect(ignored.join("\n")).not.toMatch(/algorithm\.(?:gamma|lam)/u);
  const plusPlus = ["data.rollout_batch_size=384", "algorithm.adv_estimator=reinforce_plus_plus"];
  expect(fail(grpo, ...plusPlus, "algorithm.gamma=0.9")).toBe(
    "command line: algorithm.gamma: expected 1 (papo's REINFORCE++ is undiscounted, as every published setting), got 0.9",
  );
  const notes = load(grpo, ...plusPlus, "algorithm.gamma=1", "algorithm.lam=0.95").notes;
  expect(notes.withoutEffect.join("\n")).toContain("algorithm.lam: has no effect");
  expect(notes.ignored.join("\n")).toContain("algorithm.gamma: ");
});

test("an estimator over the whole vocabulary is taken in the loss, and refused where its KL acts without both distributions", () => {
  const size = "data.rollout_batch_size=384";
  expect(load(grpo, size, "algorithm.kl_penalty=full").algorithm.klRef).toMatchObject({
    mode: "loss",
    estimator: "full",
  });
  expect(fail(grpo, size, "algorithm.use_kl_loss=false", "algorithm.kl_penalty=full")).toContain(
    "full needs algorithm.klRef.mode: loss",
  );
  expect(fail(grpoPapo, size, "algorithm.kl_prcp_penalty=full")).toContain("full needs aug.grad: recompute");
  const { algorithm, notes } = load(grpo, size, "algorithm.disable_kl=true", "algorithm.kl_penalty=full");
  expect(algorithm.klRef).toMatchObject({ mode: "off", estimator: "full" });
  expect(notes.withoutEffect).toContain(
    "algorithm.kl_penalty: has no effect without algorithm.klRef.mode: loss or reward",
  );
  const words = ["algorithm.use_kl_prcp=false", "algorithm.kl_prcp_penalty=full"];
  expect(load(grpoPapo, size, ...words).notes.withoutEffect).toContain(
    "algorithm.kl_prcp_penalty: has no effect without algorithm.klPrcp.enabled",
  );
  expect(fail(grpo, size, "algorithm.disable_kl=true", "algorithm.kl_penalty=ful")).toContain(
    "expected one of kl, abs",
  );
});

test("a weight that annealing passes over is noted by the reference's name", () => {
  const words = ["data.rollout_batch_size=384", "algorithm.kl_prcp_schedule=annealing"];
  const idle = (...more: string[]) => load(grpoPapo, ...words, ...more).notes.withoutEffect.join("\n");
  expect(idle()).toContain("algorithm.kl_prcp_coef: has no effect without");
  expect(idle(...entropyOverrides(0.03))).not.toContain("algorithm.kl_prcp_coef");
});

test.each([
  [0, -1],
  [-3, -1],
  [7, 7],
])("frequencies and limits of %d, which the reference tests for > 0, are %d here", (theirs, ours) => {
  const keys = ["val_freq", "save_freq", "save_limit"];
  const { trainer } = load(grpo, "data.rollout_batch_size=384", ...keys.map((key) => `trainer.${key}=${theirs}`));
  expect([trainer.valFreq, trainer.saveFreq, trainer.saveLimit]).toEqual([ours, ours, ours]);
});

test("a part of the reference's file without the worker is still known by its keys", () => {
  expect(fail("algorithm: { kl_coef: x }\n")).toContain(
    'config.yaml:1:14: algorithm.kl_coef: expected a number >= 0, got "x"',
  );
});

test("another file may extend one of the reference", () => {
  const files = { "theirs.yaml": grpo, "ours.yaml": "extends: ./theirs.yaml\ndata: { rolloutBatchSize: 384 }\n" };
  const run = loadRunConfig(["ours.yaml"], { cwd: folderWith(files) });
  expect([run.data.rolloutBatchSize, run.data.maxPixels]).toEqual([384, 1_003_520]);
  expect(run.notes.ignored).not.toEqual([]);
});

test.each([
  ["algorithm.adv_estimator=gae", "algorithm.adv_estimator: gae needs a critic"],
  ["algorithm.kl_penalty=k9", 'algorithm.kl_penalty: expected one of kl, abs, mse, low_var_kl, full, got "k9"'],
  ["algorithm.contrastive_type=noise", 'algorithm.contrastive_type: expected "augmented" (it is the only type'],
  ["algorithm.gamma=much", 'algorithm.gamma: expected a number, got "much"'],
  ["algorithm.lam=null", "algorithm.lam: expected a number, got null"],
  ["algorithm.kl_prcp_penalty=k9", "algorithm.kl_prcp_penalty: expected one of kl, abs, mse, low_var_kl, full, got"],
  ["trainer.val_freq=never", 'trainer.val_freq: expected an integer >= 1, or -1 (never), got "never"'],
  ["worker.reward.reward_function_kwargs.bonus=2", "worker.reward.reward_function_kwargs.bonus: the published math"],
  ["algorithm.kl_prcp_schedule=cosine", 'algorithm.kl_prcp_schedule: expected one of fixed, annealing, got "cosine"'],
  ["algorithm.aug_config=3", "algorithm.aug_config: expected a map, got 3"],
  ["trainer.critic_warmup=5", "trainer.critic_warmup: expected 0 (papo has no critic), got 5"],
  ["trainer.load_checkpoint_path=x", "trainer.load_checkpoint_path: expected null (continue a run with --resume)"],
  ["worker.actor.model.override_config.x=1", "worker.actor.model.override_config.x: unknown key"],
  [
    "worker.actor.fsdp.torch_dtype=fp16",
    "worker.actor.fsdp.torch_dtype: expected one of null, fp32, float32, bf16, bfloat16",
  ],
  [
    "worker.rollout.ignore_eos=true",
    "worker.rollout.ignore_eos: expected false (a response ends at its stop token), got true",
  ],
  ["worker.reward.reward_function=./mine.py:score", "worker.reward.reward_function: Python is not run here; port it"],
  ["worker.reward.reward_function=./math.py:compute_score", "worker.reward.reward_function: Python is not run here"],
  ["worker.reward.reward_function=examples/reward_function/math.py", "exports computeReward(items, kwargs)"],
  [
    "worker.reward.reward_function=./my_examples/reward_function/math.py:compute_score",
    'built in, got "./my_examples/reward_function/math.py:compute_score"',
  ],
  ["worker.actor.optim.learning_rate=1", "worker.actor.optim.learning_rate: unknown key"],
  ["worker.actor.optim.weigth_decay=1", "unknown key (did you mean worker.actor.optim.weight_decay?)"],
  ["data.train_file=x", "data.train_file: unknown key (did you mean data.train_files?)"],
  ["aug.grda=none", "aug.grda: unknown key (did you mean aug.grad?)"],
  ["algorithm={kl_ceof: 1}", "algorithm.kl_ceof: unknown key (did you mean algorithm.kl_coef?)"],
  ["algorithm.kl_coef=x", 'algorithm.kl_coef: expected a number >= 0, got "x"'],
])("%s is refused by the name that was written", (word, message) => {
  expect(fail(grpoPapo, word)).toContain(message);
  expect(fail(grpoPapo, word)).toMatch(/^command line: /u);
});

test("errors in the reference's file have file, line and column", () => {
  // Line 23 is `algorithm:`, 24 its first key.
  expect(fail(grpo.replace("adv_estimator: grpo", "adv_estimator: gae"))).toMatch(
    /^config\.yaml:24:3: algorithm\.adv_estimator: gae/u,
  );
  expect(fail(grpo.replace("shuffle:", "shuffel:"))).toMatch(
    /^config\.yaml:\d+:3: data\.shuffel: unknown key \(did you mean data\.shuffle\?\)$/u,
  );
  expect(fail("worker: 3\n")).toBe("config.yaml:1:1: worker: expected a map, got 3");
});
