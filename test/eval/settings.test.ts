import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runConfigOf } from "../../lib/config/load.ts";
import { resolveBenchmarks } from "../../lib/eval/benchmarks/registry.ts";
import { Grading } from "../../lib/eval/benchmarks/grading.ts";
import { compareWithTraining, defaultSettings, settingsFingerprint, settingsPresets } from "../../lib/eval/benchmarks/settings.ts"; // prettier-ignore
import { tempFolder } from "../support/temp.ts";

test("paper samples as PAPO-Eval does, and says what training does otherwise", async () => {
  const { paper } = settingsPresets;
  expect(paper).toMatchObject({ n: 8, temperature: 1, topP: 1, topK: 50, maxTokens: 2048, maxPromptTokens: 9216 });
  expect(paper).toMatchObject({ minPixels: 1024, maxPixels: 589_824, system: "You are a helpful assistant." });
  const { source, differences } = await compareWithTraining(paper, "Qwen/Qwen2.5-VL-3B-Instruct");
  expect(source).toContain("qwen2_5_vl_3b_grpo");
  expect(Object.fromEntries(differences.map(({ setting, here, training }) => [setting, [here, training]]))).toEqual({
    "--top-p": [1, 0.99],
    "--top-k": [50, -1],
    "--max-prompt-tokens": [9216, 4096],
    "--min-pixels": [1024, 200_704],
    "--max-pixels": [589_824, 1_003_520],
    "--system": ["You are a helpful assistant.", null],
  });
});

test("a checkpoint of a run is held against that run's own settings", async () => {
  const run = tempFolder();
  const model = join(run, "checkpoints", "step-000001");
  mkdirSync(model, { recursive: true });
  writeFileSync(join(model, "trainer.json"), "{}");
  const data = { train: "a.jsonl", maxResponseLength: 40, minPixels: 784, maxPixels: 1000 };
  const config = runConfigOf({ model: { path: "m" }, data, rollout: { n: 5, topP: 1 } });
  writeFileSync(join(run, "config.json"), JSON.stringify({ command: "train", config }));
  const here = { ...defaultSettings, maxTokens: 40, minPixels: 784, maxPixels: 1001 };
  const { source, differences } = await compareWithTraining(here, model);
  expect(source).toBe(join(run, "config.json"));
  expect(differences.map(({ setting }) => setting)).toEqual(["--max-prompt-tokens", "--max-pixels"]);
});

test("the fingerprint changes with every setting but the seed, and with how a benchmark is graded", () => {
  const [general, vision] = resolveBenchmarks("mini-general,mini-vision");
  if (!general || !vision) throw new Error("no benchmark");
  const base = settingsFingerprint(defaultSettings, general);
  expect(settingsFingerprint({ ...defaultSettings, seed: 9 }, general)).toBe(base);
  const others = [
    ...(["n", "temperature", "topP", "topK", "maxTokens", "maxPromptTokens"] as const).map((key) => settingsFingerprint({ ...defaultSettings, [key]: 0.5 }, general)), // prettier-ignore
    settingsFingerprint({ ...defaultSettings, system: "x" }, general),
    settingsFingerprint({ ...defaultSettings, minPixels: 1 }, general),
    settingsFingerprint({ ...defaultSettings, maxPixels: 1 }, general),
    settingsFingerprint({ ...defaultSettings, compat: "reference" }, general),
    settingsFingerprint(defaultSettings, vision),
    settingsFingerprint(defaultSettings, { ...general, grader: "symbolic" }),
    settingsFingerprint(defaultSettings, { ...general, formatPrompt: "math_perception" }),
  ];
  expect(new Set([base, ...others]).size).toBe(others.length + 1);
});

test("a missing box is wrong, and as in the published code the answer None", async () => {
  const example = { id: "a/1", problem: "?", answer: "None", images: [], file: "f", row: 1, extra: {} };
  const response = (text: string | null) => ({ text, finishReason: "stop" as const, numTokens: 1 });
  const generated = { example, prompt: "", responses: [response("no box"), response(null), response("< think >\\boxed{ None }")] }; // prettier-ignore
  const verdicts = async (compat: "none" | "reference") => {
    await using grading = new Grading({ compat });
    return (await grading.grade("mathruler", generated)).map(({ correct, extracted }) => [correct, extracted]);
  };
  expect(await verdicts("none")).toEqual([[false, null], [false, null], [true, "None"]]); // prettier-ignore
  expect(await verdicts("reference")).toEqual([[true, null], [false, null], [true, "None"]]); // prettier-ignore
});
