import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadRunConfig, resolveConfig, runConfigOf } from "../../lib/config/load.ts";
import { errorOf, folderWith, minimal, runOf } from "./support.ts";

test("defaults are those of the reference's structured config", () => {
  const run = runOf(minimal);
  expect([run.compat, run.seed]).toEqual(["none", 1]);
  expect(run.data).toMatchObject({
    promptKey: "prompt",
    maxPromptLength: 512,
    rolloutBatchSize: 512,
    valBatchSize: -1,
  });
  expect(run.data).toMatchObject({ minPixels: 262_144, maxPixels: 4_194_304, filterOverlongPrompts: true });
  expect(run.algorithm.klRef).toMatchObject({ mode: "reward", estimator: "k1", coef: 1e-3, type: "fixed" });
  expect(run.algorithm.klPrcp).toMatchObject({ enabled: false, estimator: "k1", coef: 1e-3 });
  expect(run.optim).toMatchObject({ strategy: "adamw", lr: 1e-6, globalBatchSize: 256, maxGradNorm: 1 });
  expect(run.trainer).toMatchObject({ totalEpochs: 15, valFreq: -1, saveFreq: -1, saveLimit: -1 });
});

test("defaults that hang on other settings follow them", () => {
  const run = runOf(
    minimal,
    "rollout.temperature=0.7",
    "rollout.topP=0.9",
    "rollout.topK=40",
    "data.rolloutBatchSize=256",
    "algorithm.klPrcp.enabled=true",
    "algorithm.klPrcp.coef=0.02",
    "algorithm.klPrcp.schedule=annealing",
  );
  expect(run.rollout.val).toEqual({ n: 1, temperature: 0.7, topP: 0.9, topK: 40 });
  expect(run.data.miniRolloutBatchSize).toBe(256);
  expect(run.algorithm.klPrcp.annealing).toEqual({ start: 0.02, end: 0, ratio: 0.5 });
  expect(run.algorithm.lossAvgMode).toBe("token");
  expect(run.trainer.experimentName).toBe("run");
  expect(run.trainer.outDir).toMatch(/runs[/\\]run$/u);
});

test("compat: reference brings micro-batch means and the annealing start of the published YAML", () => {
  const words = ["compat=reference", "algorithm.klPrcp.enabled=true", "algorithm.klPrcp.coef=0.02"];
  const annealing = ["algorithm.klPrcp.schedule=annealing", "algorithm.entropy.oriCoef=0.03"];
  const run = runOf(minimal, ...words, ...annealing);
  expect(run.algorithm.lossAvgMode).toBe("reference");
  expect(run.algorithm.klPrcp.annealing.start).toBe(0.01);
  expect(runOf(minimal, ...words, "algorithm.lossAvgMode=seq").algorithm.lossAvgMode).toBe("seq");
});

test("a file lies over what it extends, key by key, and lists are replaced whole", () => {
  const folder = folderWith({
    "base.yaml": `${minimal}optim: { lr: 1e-5, betas: [0.8, 0.9] }\nreward: { type: ./r.mjs, kwargs: { a: 1, b: 2 } }\n`,
    "middle.yaml": "extends: ./base.yaml\noptim: { lr: 2e-5 }\nreward: { kwargs: { b: 3 } }\n",
    "top.yaml": "extends: middle.yaml\noptim: { betas: [0.5, 0.6] }\n",
  });
  const run = loadRunConfig(["top.yaml", "optim.weightDecay=0"], { cwd: folder });
  expect(run.optim).toMatchObject({ lr: 2e-5, betas: [0.5, 0.6], weightDecay: 0 });
  expect(run.reward).toMatchObject({ type: join(folder, "r.mjs"), kwargs: { a: 1, b: 3 } });
});

test("a file may extend a shipped recipe, whose idle settings stay notes", () => {
  const run = runOf("extends: qwen2_5_vl_3b_grpo\nalgorithm: { klRef: { mode: off } }\n");
  expect(run.model.path).toBe("Qwen/Qwen2.5-VL-3B-Instruct");
  expect(run.notes.withoutEffect.join("\n")).toContain("algorithm.klRef.coef: has no effect without");
});

test("config=FILE and FILE are the same", () => {
  const folder = folderWith({ "run.yaml": minimal });
  const [plain, named] = ["run.yaml", "config=run.yaml"].map((word) => loadRunConfig([word], { cwd: folder }));
  expect(named).toEqual(plain);
});

test("every part of a run is frozen", () => {
  const frozen = (value: unknown): boolean =>
    typeof value !== "object" || value === null || (Object.isFrozen(value) && Object.values(value).every(frozen));
  expect(frozen(loadRunConfig(["qwen2_5_vl_7b_grpo_papo"]))).toBe(true);
});

test("a run folder's config.json loads as the run that it records, with overrides on top", () => {
  const folder = folderWith({});
  const config = loadRunConfig(["qwen2_5_vl_3b_dapo_papo"], { cwd: folder });
  writeFileSync(join(folder, "config.json"), JSON.stringify({ command: "train", config, build: {} }));
  expect(loadRunConfig(["config.json"], { cwd: folder })).toEqual(config);
  expect(loadRunConfig(["config.json", "optim.lr=0.5"], { cwd: folder }).optim.lr).toBe(0.5);
});

test("a printed run loads back as the same run with the same notes", () => {
  const folder = folderWith({});
  for (const name of ["qwen2_5_vl_3b_dapo_papo", "qwen2_5_vl_3b_grpo"]) {
    const run = loadRunConfig([name], { cwd: folder });
    writeFileSync(join(folder, "saved.json"), JSON.stringify(run));
    expect(loadRunConfig(["saved.json"], { cwd: folder })).toEqual(run);
  }
});

test("relative paths start from the file that holds them, those of the command line from the working folder", () => {
  const text = `${minimal}data: { train: rows.jsonl@dev, val: hub/set@test, imageDir: pics, formatPrompt: f.jinja }
reward: ./r.mjs
`;
  const inner = folderWith({ "run.yaml": text });
  const cwd = folderWith({});
  const run = loadRunConfig([join(inner, "run.yaml"), "trainer.outDir=out", "data.chatTemplate=chat.jinja"], { cwd });
  expect(run.data).toMatchObject({ train: `${join(inner, "rows.jsonl")}@dev`, val: "hub/set@test" });
  expect(run.data).toMatchObject({ imageDir: join(inner, "pics"), formatPrompt: join(inner, "f.jinja") });
  expect(run.reward.type).toBe(join(inner, "r.mjs"));
  expect(run.trainer.outDir).toBe(join(cwd, "out"));
  expect(run.data.chatTemplate).toBe(join(cwd, "chat.jinja"));
});

test("a model or data set is a path when it exists or looks like one, else an id of the hub", () => {
  const folder = folderWith({ "run.yaml": minimal, "a@b": "" });
  const path = (...words: string[]) => loadRunConfig(["run.yaml", ...words], { cwd: folder });
  expect(path("model.path=a@b").model.path).toBe(join(folder, "a@b"));
  expect(path("model.path=./none").model.path).toBe(join(folder, "none"));
  expect(path("model.path=Qwen/Some-Model").model.path).toBe("Qwen/Some-Model");
  expect(path("data.train=a@b").data.train).toBe(join(folder, "a@b"));
  expect(path("data.train=./none@x").data.train).toBe(`${join(folder, "none")}@x`);
  expect(path("data.chatTemplate=a {{ b }}").data.chatTemplate).toBe("a {{ b }}");
});

test("a run needs one recipe or file that exists", () => {
  const fail = (...words: string[]) => errorOf(() => loadRunConfig(words)).message;
  expect(fail()).toBe("command line: expected a recipe's name or a config file; papo config list shows the recipes");
  expect(fail("a.yaml", "b.yaml")).toContain('expected one recipe or config file, got "a.yaml" and "b.yaml"');
  expect(fail("none/such.yaml")).toContain('expected a recipe or a config file, got "none/such.yaml": no such file');
  expect(fail("qwen2_5_vl_3b_grpo_pap")).toContain("did you mean qwen2_5_vl_3b_grpo_papo?");
  expect(fail("../recipes")).toContain("no such file");
});

test("extends is refused in a circle, in a long chain, for a missing file and when it is no name", () => {
  const chain = Object.fromEntries(
    Array.from({ length: 20 }, (_, index) => [`${index}.yaml`, `extends: ./${index + 1}.yaml\n`]),
  );
  const folder = folderWith({
    ...chain,
    "a.yaml": "extends: b.yaml\n",
    "b.yaml": "seed: 3\nextends: ./a.yaml\n",
    "missing.yaml": "extends: ./none.yaml\n",
    "number.yaml": "extends: 3\n",
  });
  const fail = (name: string) => errorOf(() => loadRunConfig([name], { cwd: folder })).message;
  expect(fail("a.yaml")).toBe("b.yaml:2:1: extends: files cannot extend each other, got a.yaml a second time");
  expect(fail("0.yaml")).toBe("15.yaml:1:1: extends: expected a chain of at most 16 files");
  expect(fail("missing.yaml")).toContain(
    'missing.yaml:1:1: extends: expected a recipe or a config file, got "./none.yaml"',
  );
  expect(fail("number.yaml")).toBe("number.yaml:1:1: extends: expected a recipe's name or a file, got 3");
});

test("a program describes a run by the same rules as a file", () => {
  const values = { model: { path: "a/b" }, rollout: { n: 2 }, reward: "./r.mjs" };
  const run = runConfigOf(values, { cwd: "/work" });
  expect(run.reward.type).toMatch(/[/\\]r\.mjs$/u);
  expect(run.algorithm).toEqual(runOf(minimal).algorithm);
  const fail = (more: object) => errorOf(() => runConfigOf({ ...values, ...more })).message;
  expect(fail({ optim: { lr: -1 } })).toBe("settings: optim.lr: expected a number >= 0, got -1");
  expect(fail({ optim: { lrr: 1 } })).toBe("settings: optim.lrr: unknown key (did you mean optim.lr?)");
  expect(fail({ extends: "x" })).toBe('settings: extends: no recipe is called "x"; papo config list shows all');
});

test("settings over a recipe, words and a resolved run are the same run", () => {
  const words = ["miniature-papo", "optim.lr=3e-4", "data.train=rows.jsonl", "reward=./r.mjs"];
  const settings = { extends: "miniature-papo", optim: { lr: 3e-4 }, data: { train: "rows.jsonl" }, reward: "./r.mjs" };
  const run = resolveConfig(settings, { cwd: "/work" });
  expect(run).toEqual(loadRunConfig(words, { cwd: "/work" }));
  expect(resolveConfig(words, { cwd: "/work" })).toEqual(run);
  expect(resolveConfig(run)).toBe(run);
  expect(run.trainer.outDir).toBe(join("/work", "runs", "miniature-papo"));
});

test("settings of a program extend files relative to the working folder", () => {
  const folder = folderWith({ "mine.yaml": "extends: miniature-grpo\nseed: 9\n" });
  expect(resolveConfig({ extends: "./mine.yaml" }, { cwd: folder }).seed).toBe(9);
});

test("without groups to train on, one response a prompt is enough", () => {
  const values = { model: { path: "a/b" } };
  expect(runConfigOf(values, { groups: false }).rollout.n).toBe(1);
  expect(errorOf(() => runConfigOf(values)).path).toBe("rollout.n");
  const cwd = folderWith({ "run.yaml": "model: { path: a/b }\n" });
  expect(loadRunConfig(["run.yaml"], { cwd, groups: false }).rollout.n).toBe(1);
});

test("without groups to train on, micro-batches of responses limit no batch", () => {
  const values = { model: { path: "a/b" }, optim: { globalBatchSize: 2 }, data: { rolloutBatchSize: 2 } };
  expect(runConfigOf(values, { groups: false }).optim.globalBatchSize).toBe(2);
  expect(runConfigOf({ ...values, compat: "reference" }, { groups: false }).optim.microBatchSize).toBe(4);
});
