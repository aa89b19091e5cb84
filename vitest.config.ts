import { existsSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { hasCudaDriver } from "./lib/native/cuda-driver.ts";

// Where a driver makes papo prefer the CUDA build, the tests still are the CPU build's, unless PAPO_NATIVE names another;
// test/gpu asks for the other.
const cpuBuild = join(import.meta.dirname, "build", "Release", "papo.node");
const hasCudaBuild = existsSync(join(import.meta.dirname, "build-cuda", "Release", "papo.node"));

// Three projects: `unit` is everything fast, `e2e` the slow end-to-end runs, `browser` what needs a real one. `npm test`
// runs all. The limits are for what hangs; a busy machine takes many times as long as an idle one.
export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: 2,
    // Two workers on two cores: threads that spin at barriers would fight each other.
    env: {
      ...{ OMP_WAIT_POLICY: "passive", OMP_NUM_THREADS: "2" },
      ...(hasCudaBuild && hasCudaDriver() && !process.env.PAPO_NATIVE ? { PAPO_NATIVE: cpuBuild } : {}),
    },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/e2e/**", "test/browser/**"],
          testTimeout: 600_000,
        },
      },
      {
        extends: true,
        test: { name: "e2e", include: ["test/e2e/**/*.test.ts"], testTimeout: 1_800_000, hookTimeout: 1_800_000 },
      },
      {
        extends: true,
        test: {
          name: "browser",
          include: ["test/browser/**/*.test.ts"],
          globalSetup: "test/browser/chromium.ts",
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
