import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Diagnosis, Findings } from "../../lib/doctor/doctor.ts";
import type { RuntimeInfo } from "../../lib/native/binding.ts";
import { hasCudaDriver } from "../../lib/native/cuda-driver.ts";
import { packageRoot } from "../../lib/native/load.ts";
import { runNode, runPapo } from "../support/processes.ts";

// In processes of their own: two addons with two libtorchs do not go into one.
const addon = join(packageRoot, "build-cuda", "Release", "papo.node");
const built = existsSync(addon);
if (!built) console.log("skipped: the CUDA addon: no CUDA build (`npm run build -- --cuda`)");
const withAddon = { env: { PAPO_NATIVE: addon } };

test.skipIf(!built)("the CUDA addon loads, with or without a driver, and says what is missing", () => {
  const code = `console.log(JSON.stringify(require(${JSON.stringify(addon)}).runtimeInfo()))`;
  const { stdout, stderr } = runNode(["-e", code]);
  expect(stderr).toBe("");
  const { torchVersion, cuda } = JSON.parse(stdout) as RuntimeInfo;
  expect(torchVersion).toMatch(/^2\.14\./);
  expect(cuda?.built).toBeGreaterThanOrEqual(13_000);
  if (hasCudaDriver()) expect(cuda?.driver).toBeGreaterThan(0);
  else expect(cuda).toMatchObject({ driver: 0, numDevices: 0, problem: "no NVIDIA driver is installed" });
});

test.skipIf(!built || hasCudaDriver())(
  "papo doctor tells that a CUDA build has no driver, as nothing that it needs",
  () => {
    const { status, stdout } = runPapo(["doctor", "--json"], withAddon);
    const { problems, libtorch } = JSON.parse(stdout) as Findings & { problems: Diagnosis[] };
    expect(status).toBe(0);
    expect(problems[0]?.problem).toContain("no NVIDIA driver is installed");
    expect(libtorch).toHaveProperty("version", expect.stringContaining("+cu13"));
    expect(runPapo(["doctor"], withAddon).stdout).toMatch(/^CUDA .*built with CUDA 13\.\d, no NVIDIA driver/m);
  },
);
