// Starting and ending: bad words are told before anything is served, and the process goes when it is asked to.
import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { basename, join } from "node:path";
import { spawn } from "node:child_process";
import { expect, onTestFinished, test } from "vitest";
import type { RunSummary } from "../../lib/dash/api.ts";
import { findRuns } from "../../lib/dash/find-runs.ts";
import { packageRoot } from "../../lib/native/load.ts";
import { runPapo } from "../support/processes.ts";
import { tempFolder } from "../support/temp.ts";
import { addStep, ask, askJson, openFor, until, writeRun } from "./run-folders.ts";

/** `papo dash` as a process, from the line that says where it is. */
async function startDash(...words: readonly string[]) {
  const child = spawn(process.execPath, [join(packageRoot, "dist", "cli", "main.js"), "dash", ...words]);
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  await until(() => output.includes("\n") || child.exitCode !== null);
  return { child, ended, output: () => output, url: /http:\S+/u.exec(output)?.[0] ?? "" };
}

test("a port in use, an address of no machine here, and one that others reach without a token are named", async () => {
  const folder = writeRun(tempFolder(), [{ a: 1 }]);
  const other = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void other.close());
  await until(() => other.listening);
  const { port } = other.address() as { port: number };
  await expect(openFor([folder], { port })).rejects.toThrow(
    `--port: expected a free port, ${port} of 127.0.0.1 is in use; 0 takes any free one`,
  );
  await expect(openFor([folder], { host: "192.0.2.77", token: "0123456789abcdef" })).rejects.toThrow(
    "--host: expected an address of this machine, got 192.0.2.77",
  );
  for (const host of ["0.0.0.0", "::", "192.168.1.7"])
    await expect(openFor([folder], { host })).rejects.toThrow(
      `--host: expected --token with ${host}, which other machines reach`,
    );
});

test("folders are runs, folders of runs or evaluations; anything else is named", async () => {
  const outer = tempFolder();
  const [one, two] = ["b", "a"].map((name) => writeRun(join(outer, name), [{ a: 1 }]));
  mkdirSync(join(outer, "other"));
  expect((await findRuns([outer])).map(({ name, folder }) => [name, folder])).toEqual([
    ["a", two],
    ["b", one],
  ]);
  expect((await findRuns([one ?? "", outer])).map(({ id, name }) => [id, name])).toEqual([
    [0, "b"],
    [1, "a"],
  ]);
  const same = writeRun(join(tempFolder(), "a"), [{ a: 1 }]);
  const names = (await findRuns([two ?? "", same])).map(({ name }) => name);
  expect(names[0]).toBe(join(basename(outer), "a"));
  expect(new Set(names).size).toBe(2);
  await expect(findRuns([join(outer, "other")])).rejects.toThrow(
    /^RUN_DIR: expected the folder of a run or of an evaluation/u,
  );
  await expect(findRuns([join(outer, "absent")])).rejects.toThrow(/^RUN_DIR: expected a folder: ENOENT/u);
});

test("what papo reproduce keeps are runs too, by method and seed", async () => {
  const results = tempFolder();
  const folders = ["grpo-mini/seed-1/result", "grpo-mini/seed-2/work/run", "papo_g-mini/seed-1/result"];
  for (const folder of folders) writeRun(join(results, "runs", folder), [{ a: 1 }]);
  const runs = await findRuns([results]);
  expect(runs.map(({ name }) => name)).toEqual(["grpo-mini/seed-1", "grpo-mini/seed-2", "papo_g-mini/seed-1"]);
});

test("papo dash says where it is, serves, and Ctrl-C ends it at once though a page is open", async () => {
  const folder = writeRun(tempFolder(), [{ a: 1 }]);
  const { child, ended, output, url } = await startDash(folder);
  expect(output()).toMatch(/^1 run at http:\/\/127\.0\.0\.1:\d+\/\nCtrl-C ends the dashboard\n$/u);
  expect((await ask(url, "/")).body.toString()).toContain('<script type="module"');
  const page = await fetch(new URL("/api/events", url));
  addStep(folder, 2, { a: 2 });
  await until(async () => (await askJson<{ runs: RunSummary[] }>(url, "/api/runs")).runs[0]?.numRows === 2);
  child.kill("SIGINT");
  expect(await ended).toBe(0);
  await page.text().catch(() => undefined);
});

test("--token alone makes one up; a short one is refused", async () => {
  const folder = writeRun(tempFolder(), [{ a: 1 }]);
  const { url } = await startDash(folder, "--token");
  expect(url).toMatch(/\?token=[\w-]{43}$/u);
  expect((await ask(url, "/api/runs")).status).toBe(401);
  const short = runPapo(["dash", folder, "--token", "short"]);
  expect(short).toMatchObject({ status: 1, stderr: "papo: --token: expected at least 16 characters\n" });
  expect(runPapo(["dash", folder, "--port", "70000"])).toMatchObject({ status: 2 });
  expect(runPapo(["dash", folder, "--host", "0.0.0.0"])).toMatchObject({ status: 1 });
});
