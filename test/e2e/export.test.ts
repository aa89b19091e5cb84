// A trained run's checkpoint as a model for others: in a folder that papo opens, and on a stand-in of the hub.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { prepareExport } from "../../lib/export/export-run.ts";
import { uploadModel, type UploadOptions } from "../../lib/export/hub-upload.ts";
import { startUploadHub } from "../export/hub-server.ts";
import { makeRun } from "../run-folders/world.ts";
import { runPapo, runPapoAsync } from "../support/processes.ts";
import { tempFolder } from "../support/temp.ts";
import { freshPath, jsonLines, makeWorld, removeWorld, trainWhole, type World } from "./world.ts";

let world: World;
let run: string;
beforeAll(async () => {
  world = await makeWorld();
  const more = ["trainer.maxSteps=2", `data.val=${world.data}`, "rollout.val.n=1", "trainer.valFreq=1"];
  run = trainWhole(world, "miniature-papo", ...more, "reward.kwargs={apiKey: s3cret}");
});
afterAll(() => {
  removeWorld(world);
});

const recordedConfig = () => (JSON.parse(readFileSync(join(run, "config.json"), "utf8")) as { config: Record<string, object> }).config; // prettier-ignore
const frontMatter = (card: string) => parse(/^---\n(.*?)\n---\n/su.exec(card)?.[1] ?? "") as Record<string, unknown>;

test("a folder holds the model and its card, and papo generates and evaluates with it", () => {
  const out = freshPath(world, "model");
  expect(runPapo(["export", run, "--out", out])).toMatchObject({ status: 0, stderr: "", stdout: `step 2: ${out}\n` });
  const files = readdirSync(out);
  expect(files).toEqual(expect.arrayContaining(["README.md", "config.json", "model.safetensors", "tokenizer.json"]));
  expect(files.filter((name) => /optimizer|trainer|manifest/u.test(name))).toEqual([]);
  const weights = (dir: string) => readFileSync(join(dir, "model.safetensors"));
  expect(weights(out).equals(weights(join(run, "checkpoints", "step-000002")))).toBe(true);
  const words = ["--model", out, "--prompt", "How many?", "--max-tokens", "3"];
  expect(runPapo(["generate", ...words])).toMatchObject({ status: 0, stderr: "" });
  const evaluation = runPapo(["eval", "--model", out, "--data", world.data, "--out", freshPath(world, "eval"), "--max-tokens", "3", "--max-skipped-share", "1"]); // prettier-ignore
  expect(evaluation.stderr).toBe("");
  expect(evaluation.status).toBe(0);
  const again = runPapo(["export", run, "--out", out]);
  expect(again).toMatchObject({ status: 1 });
  expect(again.stderr).toMatch(/^papo: --out: expected a new or empty folder; .* holds /u);
});

test("the card names scores, settings, versions and use, but no folder, no server and no key", async () => {
  const { card, step } = await prepareExport(run, { checkpoint: "last", license: "apache-2.0", title: "Mine <b>" });
  expect(step).toBe(2);
  expect(frontMatter(card)).toMatchObject({ library_name: "transformers", license: "apache-2.0", tags: expect.arrayContaining(["papo"]) as string[] }); // prettier-ignore
  expect(frontMatter(card)).not.toHaveProperty("base_model"); // a local folder
  const last = jsonLines(join(run, "metrics.jsonl")).at(-1);
  expect(card).toContain(`| \`val/reward_score\` | ${Number(last?.["val/reward_score"]).toPrecision(4)} |`);
  expect(card).toContain("# Mine \\<b>");
  expect(card).toContain("Qwen2_5_VLForConditionalGeneration.from_pretrained");
  expect(card).toContain("papo generate --model .");
  const settings = parse(/## Settings\n\n```yaml\n(.*?)```/su.exec(card)?.[1] ?? "") as Record<string, Record<string, unknown>>; // prettier-ignore
  expect(settings["model"]?.["path"]).toBe("model");
  expect(settings["reward"]?.["kwargs"]).toEqual(["apiKey"]);
  expect(settings["optim"]?.["lr"]).toBe(1e-3);
  expect(settings["trainer"]).not.toHaveProperty("mlflow");
  expect(card).not.toContain(world.dir);
  expect(card).not.toContain("s3cret");
  expect(card).toMatch(/## Versions[\s\S]*torch: /u);
});

test("the card takes base model and data set from hub ids, and the scores of an evaluation", async () => {
  const config = recordedConfig();
  const changed = { ...config, model: { ...config["model"], path: "Qwen/Qwen2.5-VL-3B-Instruct" }, data: { ...config["data"], train: "PAPOGalaxy/PAPO_ViRL39K_train@train" } }; // prettier-ignore
  const dir = await makeRun({ config: changed, checkpoints: [3] });
  const evaluation = tempFolder();
  const benchmark = {
    name: "Geo|3k",
    n: 8,
    avgAtN: 0.1234,
    interval: { low: 0.1, high: 0.15 },
    rows: 601,
    complete: true,
  };
  writeFileSync(join(evaluation, "summary.json"), JSON.stringify({ benchmarks: [benchmark] }));
  const { card } = await prepareExport(dir, { checkpoint: 3, evaluations: [evaluation] });
  expect(frontMatter(card)).toMatchObject({
    base_model: "Qwen/Qwen2.5-VL-3B-Instruct",
    datasets: ["PAPOGalaxy/PAPO_ViRL39K_train"],
  });
  expect(card).toContain("| Geo\\|3k | 8 | 12.3 | 10.0 to 15.0 | 601 |");
  await expect(prepareExport(dir, { checkpoint: 3, evaluations: [dir] })).rejects.toThrow("--eval: ");
});

test("best, last and steps are chosen by name; one that is not there is named with those that are", async () => {
  const dir = await makeRun({ config: recordedConfig(), checkpoints: [1, 2, 3], best: { step: 2, score: 1 } }); // prettier-ignore
  const step = async (checkpoint: "best" | "last" | number) => (await prepareExport(dir, { checkpoint })).step;
  expect([await step("best"), await step("last"), await step(1)]).toEqual([2, 3, 1]);
  await expect(step(7)).rejects.toThrow("--checkpoint: expected one of 1, 2, 3, got 7");
  writeFileSync(join(dir, "checkpoints", "step-000003", "model.safetensors"), "cut");
  await expect(step("last")).rejects.toThrow("model.safetensors: expected 1000 bytes, got 3");
  mkdirSync(join(dir, "checkpoints", "step-000009"));
  await expect(step(9)).rejects.toThrow("manifest.json");
  const bare = await makeRun({ checkpoints: [1] });
  await expect(prepareExport(bare, { checkpoint: "best" })).rejects.toThrow("nothing was validated");
  await expect(prepareExport(await makeRun(), { checkpoint: "last" })).rejects.toThrow(
    "expected a run with a checkpoint",
  );
});

const env = (endpoint: string, token = "hf_right") => ({ HF_ENDPOINT: endpoint, HF_TOKEN: token, HF_HOME: "/absent" });
const upload = (endpoint: string, more: Partial<UploadOptions> = {}): UploadOptions => ({
  ...{ repo: "ada/mine", visibility: "private", update: false, env: env(endpoint) },
  ...more,
});

test("an upload makes a private repository with every file whole and says where its commit is", async () => {
  const hub = await startUploadHub();
  const words = ["export", run, "--to", "hub", "--repo", "ada/mine"];
  const { status, stdout, stderr } = await runPapoAsync(words, env(hub.endpoint));
  expect(stderr).toBe("");
  expect([status, stdout]).toEqual([0, `step 2: ${hub.endpoint}/ada/mine/commit/${"c".repeat(40)}\n`]);
  const repo = hub.repos.get("ada/mine");
  expect(repo?.visibility).toBe("private");
  const model = await prepareExport(run, { checkpoint: "last" });
  expect([...(repo?.files.keys() ?? [])].sort()).toEqual(["README.md", ...model.files].sort());
  for (const file of model.files)
    expect(repo?.files.get(file)?.equals(readFileSync(join(model.dir, file))), file).toBe(true);
  expect(repo?.files.get("README.md")?.toString()).toBe(model.card);
});

test("a repository that is there is left alone unless --update, which removes weights that are none of the model's", async () => {
  const hub = await startUploadHub();
  const model = await prepareExport(run, { checkpoint: "last" });
  const files = new Map([["model-00001-of-00002.safetensors", Buffer.from("old")], ["notes.md", Buffer.from("mine")]]); // prettier-ignore
  hub.repos.set("ada/mine", { visibility: "public", files });
  await expect(uploadModel(model, upload(hub.endpoint))).rejects.toThrow("it is there already; --update commits to it");
  expect(files.size).toBe(2);
  const seen = new Set<string>();
  await uploadModel(model, upload(hub.endpoint, { update: true, onProgress: (file) => seen.add(file) }));
  expect(files.has("model-00001-of-00002.safetensors")).toBe(false);
  expect(files.get("notes.md")?.toString()).toBe("mine");
  expect(seen).toContain("model.safetensors");
});

test("nothing is sent without a token, offline or to no repository; refusals and breaks are one line", async () => {
  const hub = await startUploadHub();
  const model = await prepareExport(run, { checkpoint: "last" });
  const refused = (more: Partial<UploadOptions>) => expect(uploadModel(model, upload(hub.endpoint, more))).rejects;
  await refused({ env: { ...env(hub.endpoint), HF_TOKEN: "" } }).toThrow(
    "HF_TOKEN: expected a token that may write, got none",
  );
  await refused({ env: { ...env(hub.endpoint), HF_HUB_OFFLINE: "1" } }).toThrow("HF_HUB_OFFLINE");
  await refused({ repo: "mine" }).toThrow("--repo: expected org/name, got mine");
  expect(hub.requests).toEqual([]);
  await refused({ env: env(hub.endpoint, "hf_wrong") }).toThrow("status 401: the token in use may not write there");
  hub.behaviour.fail = { path: /^\/objects\//u, status: 500 };
  await refused({}).toThrow(/ada\/mine: status 500/u);
  expect(hub.repos.get("ada/mine")?.files.size).toBe(0);
  await refused({ env: env("http://127.0.0.1:9") }).toThrow(/upload failed: /u);
});

test("a wrong command line is said before anything is read", () => {
  expect(runPapo(["export", run])).toMatchObject({
    status: 1,
    stderr: "papo: --out: expected a folder with --to dir\n",
  });
  expect(runPapo(["export", run, "--to", "hub"]).stderr).toBe("papo: --repo: expected org/name with --to hub\n");
  expect(runPapo(["export", run, "--out", "x", "--checkpoint", "newest"])).toMatchObject({ status: 2 });
  expect(existsSync("x")).toBe(false);
});
