// The scripts of the tables and figures: each is there, and its command parses at both scales.
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { hasCudaDriver } from "../../lib/native/cuda-driver.ts";
import { packageRoot } from "../../lib/native/load.ts";
import { select } from "../../lib/reproduce/selection.ts";
import { tables } from "../../lib/tables/registry.ts";
import { temporaryFolder } from "../support/processes.ts";

const dir = join(packageRoot, "scripts", "reproduce");
const scripts = readdirSync(dir).sort();

test("every table and figure with a training at the paper's scale has a script", () => {
  const trained = Object.keys(tables).filter((name) => select({ names: [name], scale: "paper" }).runs.length > 0);
  expect(scripts).toEqual(trained.map((name) => `${name}.sh`).sort());
});

const run = promisify(execFile);

test.skipIf(process.platform === "win32").concurrent.each(scripts)(
  "%s plans its table at both scales and writes nothing",
  async (script) => {
    const cwd = mkdtempSync(join(tmpdir(), "papo-test-"));
    const plan = async (...more: string[]) => await run(join(dir, script), ["--plan", ...more], { cwd });
    const name = script.replace(".sh", "");
    const paper = await plan();
    expect(paper.stdout).toMatch(new RegExp(`^${name}: .*, scale paper, seed 1$`, "mu"));
    expect(paper.stdout).toMatch(
      /^\d+ runs: 0 done, 0 under way, \d+ to do; about [1-9]\d* GPU-hours of training left/mu,
    );
    const mini = await plan("--scale", "mini", "--seeds", "2");
    expect(mini.stdout).toMatch(new RegExp(`^${name}: .*, scale mini, seeds 1 to 2$`, "mu"));
    expect([paper.stderr, mini.stderr]).toEqual(["", ""]);
    rmdirSync(cwd); // which is empty
  },
);

test.skipIf(hasCudaDriver() || process.platform === "win32")(
  "without a GPU the paper's scale is refused after its plan, before anything is written",
  () => {
    const cwd = temporaryFolder();
    const { status, stdout, stderr } = spawnSync(join(dir, "table14.sh"), [], { cwd, encoding: "utf8" });
    expect(stdout).toContain("4 runs: 0 done");
    expect(stderr).toMatch(/^papo: --scale: paper trains 3B and 7B models on a GPU: .*; --plan says what it would take, --scale mini runs anywhere\n$/u); // prettier-ignore
    expect(status).toBe(1);
    expect(readdirSync(cwd)).toEqual([]);
  },
);
