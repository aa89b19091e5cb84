import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

// The CUDA kernels compiled as plain C++ and run by emulation under AddressSanitizer and UBSan: blocks, warps and lanes
// in random orders, shared memory watched. `papo_kernel_tests --seeds 100 rms_norm` looks for longer.
const root = join(import.meta.dirname, "../..");
const build = join(root, "build");
const runner = join(build, "papo_kernel_tests");

execFileSync("cmake", ["--build", build, "--target", "papo_kernel_tests", "-j", "2"], { stdio: ["ignore", 2, 2] });
const names = execFileSync(runner, ["--list"], { encoding: "utf8" }).trim().split("\n");

test.each(names)("%s", (name) => {
  const { status, stdout, stderr } = spawnSync(runner, ["--exact", name], { encoding: "utf8" });
  expect(stdout + stderr).toMatch(/^ok/);
  expect(status).toBe(0);
});
