import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { atLeast, describeMissing } from "../../scripts/lib/prerequisites.mjs";
import { bareProject, runNode } from "../support/processes.ts";

test("a machine with nothing is told everything that is missing at once", () => {
  const project = bareProject();
  const { status, stderr } = runNode(["scripts/setup.mjs"], { cwd: project, env: { PATH: join(project, "nothing") } });
  expect(status).toBe(1);
  for (const need of ["5 things are missing", "npm", "Python 3 with pip", "C++20 compiler", "cmake 3.22", "ninja"]) {
    expect(stderr).toContain(need);
  }
});

test("what is there is not listed, and the machine's own package manager is named", () => {
  const project = bareProject();
  const bin = join(project, "bin");
  mkdirSync(bin);
  const program = (name: string, body: string) => {
    writeFileSync(join(bin, name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(bin, name), 0o755);
  };
  program("apt-get", "echo apt 2.6.1");
  program("npm", "echo 11.0.0");
  program("python3", 'if [ "$1" = --version ]; then echo Python 3.11.2; else exit 1; fi'); // as Debian's without pip
  program("g++", "exit 0");
  program("cmake", "echo cmake version 3.18.4");
  program("make", "echo GNU Make 4.3");
  const { status, stderr } = runNode(["scripts/setup.mjs"], { cwd: project, env: { PATH: bin } });
  expect(status).toBe(1);
  expect(stderr).toContain("2 things are missing");
  expect(stderr).toContain("sudo apt-get install -y python3-pip");
  expect(stderr).toContain("cmake 3.22.0 or newer\n      sudo apt-get install -y cmake\n");
  expect(stderr).not.toContain("compiler");
});

test("without a known package manager each line says where the thing comes from", () => {
  const missing = {
    need: "cmake",
    packages: { apt: "cmake", dnf: "cmake", brew: "cmake" },
    otherwise: "from cmake.org",
  };
  expect(describeMissing([missing], undefined)).toContain("- cmake\n      from cmake.org");
  expect(describeMissing([missing], "brew")).toContain("brew install cmake");
});

test("versions compare number by number", () => {
  expect(atLeast("3.22.0", "3.22.0")).toBe(true);
  expect(atLeast("3.100", "3.22.0")).toBe(true);
  expect(atLeast("4.0.0-rc1", "3.22.0")).toBe(true);
  expect(atLeast("3.9.9", "3.22.0")).toBe(false);
  expect(atLeast("3.21.7", "3.22.0")).toBe(false);
});
