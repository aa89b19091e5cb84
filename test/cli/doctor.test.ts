import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Diagnosis, Findings } from "../../lib/doctor/doctor.ts";
import { runPapo, temporaryFolder } from "../support/processes.ts";

type Report = Findings & { problems: Diagnosis[] };

test("doctor finds nothing needed wrong where setup has run, and names libtorch and the processor", () => {
  const { status, stdout } = runPapo(["doctor", "--json"]);
  const report = JSON.parse(stdout) as Report;
  expect(report.problems.filter(({ needed }) => needed)).toEqual([]);
  expect(status).toBe(0);
  expect(report.native).toHaveProperty("info.torchVersion", expect.stringMatching(/^2\.1[34]\./));
  expect(report.machine.cores).toBeGreaterThanOrEqual(1);
  expect(report.machine.memoryTotal).toBeGreaterThan(1e8);
});

test("doctor works without the native module, says what to do, and ends with 1", () => {
  const { status, stdout, stderr } = runPapo(["doctor"], { env: { PAPO_NATIVE: "/nowhere/papo.node" } });
  expect(status).toBe(1);
  expect(stderr).toBe("");
  expect(stdout).toContain("/nowhere/papo.node: not there");
  expect(stdout).toContain("Possible solutions:");
  expect(stdout).toContain("npm run setup");
  expect(stdout).toContain("unset PAPO_NATIVE");
  expect(stdout).not.toContain("papo doctor");
  expect(stdout).toContain("processor");
});

test("doctor names the cause of a broken native module", () => {
  const file = join(temporaryFolder(), "papo.node");
  writeFileSync(file, "not a module");
  const { status, stdout } = runPapo(["doctor", "--json"], { env: { PAPO_NATIVE: file } });
  const { problems } = JSON.parse(stdout) as Report;
  expect(status).toBe(1);
  expect(problems[0]?.needed).toBe(true);
  expect(problems[0]?.solutions.join("\n")).toContain("the file is broken");
});
