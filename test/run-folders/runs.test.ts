import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { cleanRun, planClean } from "../../lib/run-folders/clean.ts";
import { describeRun } from "../../lib/run-folders/describe-run.ts";
import { diskUse } from "../../lib/run-folders/disk-use.ts";
import { findRuns } from "../../lib/run-folders/find-runs.ts";
import { runList } from "../../lib/run-folders/run-list.ts";
import { formatBytes, printable } from "../../lib/run-folders/text.ts";
import { lockRunFolder } from "../../lib/trainer/run-lock.ts";
import { startModule } from "../support/processes.ts";
import { tempFolder } from "../support/temp.ts";
import { runPapo } from "../support/processes.ts";
import { makeRun } from "./world.ts";

const running = { state: "running", step: 1, totalSteps: 7 } as const;
const hold = async (dir: string) => {
  const lock = await lockRunFolder(dir);
  onTestFinished(() => lock[Symbol.asyncDispose]());
  return lock;
};

test("runs are found below folders, once, by path; links and other folders are none", async () => {
  const root = tempFolder();
  const [b, a] = [await makeRun({ dir: join(root, "b") }), await makeRun({ dir: join(root, "deep", "er", "a") })];
  mkdirSync(join(root, "plain", "checkpoints"), { recursive: true });
  writeFileSync(join(root, "plain", "config.json"), "{}");
  await makeRun({ dir: join(root, "other"), command: "bake" });
  symlinkSync(b, join(root, "link"));
  expect(await findRuns([root, b])).toEqual([b, a]);
  await expect(findRuns([join(root, "absent")])).rejects.toThrow("expected a folder");
  await expect(findRuns([join(root, "link")])).rejects.toThrow("a link to one is not followed");
});

test("the state is the lock's where a process holds it, else what was written", async () => {
  const dir = await makeRun({ status: running });
  expect(await describeRun(dir)).toMatchObject({ state: "interrupted", totalSteps: 7 }); // killed hard
  const lock = await hold(dir);
  expect(await describeRun(dir)).toMatchObject({ state: "running" });
  await lock[Symbol.asyncDispose]();
  const finished = await makeRun({ status: { ...running, state: "finished" } });
  expect(await describeRun(finished)).toMatchObject({ state: "finished", message: null });
  const failed = await makeRun({ status: { ...running, state: "failed", message: "no space" } });
  expect(await describeRun(failed)).toMatchObject({ state: "failed", message: "no space" });
  const stopped = await makeRun({ status: { ...running, state: "stopped", message: "the policy collapses" } });
  expect(await describeRun(stopped)).toMatchObject({ state: "stopped", message: "the policy collapses" });
  expect(await describeRun(await makeRun())).toMatchObject({ state: "failed", totalSteps: null, step: 0 });
});

test("a run that a killed process left is interrupted", async () => {
  const dir = await makeRun({ status: running });
  const code = `import { lockRunFolder } from ${JSON.stringify(join(process.cwd(), "dist/trainer/run-lock.js"))};
    await lockRunFolder(${JSON.stringify(dir)}); console.log("held"); setInterval(() => {}, 1000);`;
  const holder = startModule(code);
  await holder.printed("held");
  expect(await describeRun(dir)).toMatchObject({ state: "running" });
  await expect(cleanRun(dir)).rejects.toThrow("is held by process");
  holder.child.kill("SIGKILL");
  await holder.ended;
  expect(await describeRun(dir)).toMatchObject({ state: "interrupted" });
});

test("steps, best validation and disk use are the folder's", async () => {
  const score = (value: number) => ({ "val/reward_score": value });
  const dir = await makeRun({ steps: [score(0.3), score(0.7), { a: 1 }, score(0.5)], checkpoints: [2] });
  writeFileSync(join(dir, "metrics.jsonl"), '{"step": 5, "val/rew', { flag: "a" }); // cut off
  const run = await describeRun(dir);
  expect(run).toMatchObject({ step: 4, best: { step: 2, score: 0.7 } });
  expect(run.bytes).toBe(await diskUse(dir));
  expect(run.bytes).toBeGreaterThan(1000);
  const sft = await makeRun({ command: "sft", steps: [{ "val/sft_loss": 2 }, { "val/sft_loss": 1 }] });
  expect((await describeRun(sft)).best).toEqual({ step: 2, score: -1 });
});

test("the list is a table, or two lines a run on a narrow terminal, within its width", async () => {
  const dir = await makeRun({ steps: [{ "val/reward_score": 0.5 }], status: { ...running, state: "finished" } });
  const run = await describeRun(dir);
  const [header, row] = runList([run], 200, join(dir, ".."));
  expect(header).toMatch(/^run +state +steps +best +disk$/u);
  expect(row).toMatch(/^run +finished +1\/7 +0\.500 @ 1 +\d+ B$/u);
  const narrow = runList([run, run], 40, "/");
  expect(narrow).toHaveLength(4);
  for (const line of narrow) expect(line.length).toBeLessThanOrEqual(40);
});

test("text of a run folder cannot steer the terminal; bytes are short", () => {
  expect(printable("a\u001b[2Jb\nc\u009b")).toBe("a [2Jb c ");
  expect([0, 999, 1000, 1_234_567, 17e9, 999_600].map(formatBytes)).toEqual(["0 B", "999 B", "1.0 kB", "1.2 MB", "17 GB", "1.0 MB"]); // prettier-ignore
});

async function fullRun() {
  const dir = await makeRun({ checkpoints: [1, 2, 3, 4, 5], best: { step: 2, score: 0.7 }, steps: [{ a: 1 }, { a: 2 }, { "val/reward_score": 0.9 }] }); // prettier-ignore
  mkdirSync(join(dir, "checkpoints", ".tmp-step-000009"));
  mkdirSync(join(dir, "checkpoints", "step-000007")); // no manifest
  writeFileSync(join(dir, ".tmp-1-config.json"), "half");
  mkdirSync(join(dir, "checkpoints", "mine"));
  writeFileSync(join(dir, "notes.txt"), "mine too");
  return dir;
}

test("clean keeps the newest and the best checkpoints and whatever else is there; the plan removes nothing", async () => {
  const dir = await fullRun();
  const { removals } = await planClean(dir);
  expect(removals.map(({ path, why }) => [path.slice(dir.length + 1), why]).sort()).toEqual([
    [".tmp-1-config.json", "unfinished"],
    ["checkpoints/.tmp-step-000009", "unfinished"],
    ["checkpoints/step-000001", "checkpoint"],
    ["checkpoints/step-000004", "checkpoint"],
    ["checkpoints/step-000007", "broken checkpoint"],
  ]);
  expect(readdirSync(join(dir, "checkpoints"))).toHaveLength(8);
  expect(await cleanRun(dir)).toEqual({ dir, removals });
  expect(readdirSync(join(dir, "checkpoints")).sort()).toEqual(["mine", "step-000002", "step-000003", "step-000005"]);
  expect(readdirSync(dir).sort()).toEqual(["checkpoints", "config.json", "metrics.jsonl", "notes.txt"]);
  expect((await planClean(dir)).removals).toEqual([]);
});

test("without a whole checkpoint broken ones stay", async () => {
  const dir = await makeRun();
  mkdirSync(join(dir, "checkpoints", "step-000007"));
  expect((await planClean(dir)).removals).toEqual([]);
});

test("clean leaves a running run alone and removes nothing outside of a run", async () => {
  const dir = await fullRun();
  await hold(dir);
  expect(await planClean(dir)).toMatchObject({ removals: [], skipped: expect.stringContaining(`process ${process.pid}`) as string }); // prettier-ignore
  await expect(cleanRun(dir)).rejects.toThrow("is held by process");
  await expect(planClean(tempFolder())).rejects.toThrow("expected the folder of a run");
});

test("clean follows no link: neither a linked checkpoints folder nor a linked checkpoint", async () => {
  const elsewhere = await makeRun({ checkpoints: [1, 2, 3] });
  const dir = await makeRun({ checkpoints: [5, 6] });
  symlinkSync(join(elsewhere, "checkpoints", "step-000001"), join(dir, "checkpoints", "step-000001"));
  symlinkSync(elsewhere, join(dir, "checkpoints", ".tmp-link"));
  expect((await cleanRun(dir)).removals.map(({ why }) => why)).toEqual(["unfinished", "checkpoint"]);
  expect(existsSync(join(elsewhere, "checkpoints", "step-000001", "trainer.json"))).toBe(true);
  expect(existsSync(join(elsewhere, "config.json"))).toBe(true);
  expect(existsSync(join(dir, "checkpoints", ".tmp-link"))).toBe(false);
  const linked = await makeRun();
  rmSync(join(linked, "checkpoints"), { recursive: true });
  symlinkSync(join(elsewhere, "checkpoints"), join(linked, "checkpoints"));
  await expect(cleanRun(linked)).rejects.toThrow("expected the folder of a run");
});

test("the commands: runs as JSON, clean as a dry run first", async () => {
  const dir = await fullRun();
  const list = runPapo(["runs", dir, "--json"]);
  expect(list).toMatchObject({ status: 0, stderr: "" });
  expect(JSON.parse(list.stdout)).toMatchObject([{ dir, state: "failed", step: 3, best: { step: 3, score: 0.9 } }]);
  const dry = runPapo(["clean", dir]);
  expect(dry).toMatchObject({ status: 0, stderr: "" });
  expect(dry.stdout).toMatch(/in all; nothing is removed without --yes\n$/u);
  expect(existsSync(join(dir, "checkpoints", "step-000001"))).toBe(true);
  expect(runPapo(["clean", dir, "--yes"]).stdout).toMatch(/removed \d/u);
  expect(existsSync(join(dir, "checkpoints", "step-000001"))).toBe(false);
  expect(runPapo(["clean", dir]).stdout).toBe("nothing to remove\n");
  expect(runPapo(["runs", join(dir, "absent")])).toMatchObject({ status: 1 });
  expect(runPapo(["runs", tempFolder()])).toMatchObject({ status: 0, stdout: "", stderr: "papo: no runs there\n" });
});
