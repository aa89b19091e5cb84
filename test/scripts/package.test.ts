import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packageRoot } from "../../lib/native/load.ts";

const manifest = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as {
  gypfile: boolean;
  scripts: Record<string, string>;
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
};

test("nothing is compiled and no script runs when the package is installed", () => {
  expect(manifest.gypfile).toBe(false);
  const installs = ["preinstall", "install", "postinstall", "prepare", "prepublish"];
  expect(installs.filter((name) => name in manifest.scripts)).toEqual([]);
});

test("npm run build does not run the command prebuild as its hook", () => {
  const { stdout } = spawnSync("npm", ["config", "get", "ignore-scripts"], { cwd: packageRoot, encoding: "utf8" });
  expect(stdout.trim()).toBe("true");
});

test("every dependency is pinned to one version", () => {
  const versions = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
  expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
});

test("the published package holds the command line and the native sources, but no tests", () => {
  const { stdout } = spawnSync("npm", ["pack", "--dry-run", "--json"], { cwd: packageRoot, encoding: "utf8" });
  const report = JSON.parse(stdout) as { files: { path: string }[] }[];
  const files = Object.values(report).flatMap((entry) => entry.files.map(({ path }) => path));
  for (const file of ["dist/cli/main.js", "CMakeLists.txt", "binding.gyp", "scripts/setup.mjs", "LICENSE"]) {
    expect(files).toContain(file);
  }
  expect(files).toContain("native/addon/addon.cc");
  expect(files).toContain("scripts/reproduce/table1.sh");
  expect(
    files.filter((file) => /^(?!prebuilds\/).*((^|\/)tests?\/|\.test\.|\.tsbuildinfo$|\.map$|\.node$)/.test(file)),
  ).toEqual([]);
});
