import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packageRoot } from "../../lib/native/load.ts";

// The cases of native/test/kernels on a real device, by the CUDA build's runner: the same kernels that the addon has.
const runner = join(packageRoot, "build-cuda", "papo_gpu_tests");
const run = (...args: string[]) => spawnSync(runner, args, { encoding: "utf8" });

/** The runner's exit code where it can run no case. */
const skipped = 77;

/** Why the cases cannot run here; undefined where they can. */
function findProblem(): string | undefined {
  if (!existsSync(runner)) return "no CUDA build (`npm run build -- --cuda`)";
  const { status, stdout } = run("no case has this name");
  return status === skipped ? stdout.trim().replace(/^skipped: /, "") : undefined;
}

const problem = findProblem();
if (problem !== undefined) console.log(`skipped: the kernels' cases on a GPU: ${problem}`);
const names = problem === undefined ? execFileSync(runner, ["--list"], { encoding: "utf8" }).trim().split("\n") : [];

test.skipIf(problem !== undefined).each(names.length > 0 ? names : ["kernels on a GPU"])("%s", (name) => {
  const { status, stdout, stderr } = run("--exact", name);
  expect(stdout + stderr).toMatch(/^ok/);
  expect(status).toBe(0);
});

test.skipIf(!existsSync(runner))("the runner has every case of the kernels but those of the emulation itself", () => {
  const { status, stdout } = run("--list");
  expect(status).toBe(0);
  expect(stdout).toContain("swiglu: forward, backward and backward in place equal float64");
  expect(stdout).not.toMatch(/^simt:/m);
  expect(stdout.trim().split("\n").length).toBeGreaterThan(40);
});
