// A release as a stranger gets it: packed, installed into an empty folder, used with nothing but Node.js on the path.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findLibtorch } from "../../scripts/lib/libtorch.mjs";
import { runNode } from "../support/processes.ts";
import { jsonLines, makeWorld, removeWorld, trainWords, type World } from "./world.ts";

let world: World;
let tarball: string;
/** Holds node, npm and a shell, and no compiler, cmake or make. */
let bin: string;

function lookUp(program: string): string {
  const folder = (process.env.PATH ?? "").split(delimiter).find((entry) => existsSync(join(entry, program)));
  return realpathSync(join(folder ?? "", program));
}

beforeAll(async () => {
  world = await makeWorld();
  bin = join(world.dir, "bin");
  mkdirSync(bin);
  for (const name of ["node", "npm", "npx", "sh", "env"]) symlinkSync(lookUp(name), join(bin, name));
  const prebuilds = join(world.dir, "prebuilds");
  expect(runNode(["scripts/prebuild.mjs", "--here", "--out", prebuilds])).toMatchObject({ status: 0, stderr: "" });
  const packed = runNode(["scripts/pack.mjs", "--prebuilds", prebuilds, "--out", world.dir]);
  expect(packed).toMatchObject({ status: 0, stderr: "" });
  tarball = join(world.dir, packed.stdout.trim().split("\n")[0] ?? "");
});

afterAll(() => {
  removeWorld(world);
});

/** Runs a program of the bare path; libtorch is found where PAPO_LIBTORCH says or in the user's cache below `home`. */
function run(folder: string, words: readonly string[], libtorch?: string) {
  const { HTTP_PROXY, HTTPS_PROXY, NO_PROXY, https_proxy, http_proxy, no_proxy } = process.env;
  const network = { HTTP_PROXY, HTTPS_PROXY, NO_PROXY, https_proxy, http_proxy, no_proxy };
  const npm = Object.fromEntries(Object.entries(process.env).filter(([name]) => /^npm_config_/i.test(name)));
  const env = { ...network, ...npm, HOME: process.env.HOME, XDG_CACHE_HOME: join(world.dir, "caches") };
  const [program = "", ...args] = words;
  return spawnSync(join(bin, program), args, {
    cwd: folder,
    env: {
      ...env,
      PATH: bin,
      OMP_WAIT_POLICY: "passive",
      ...(libtorch === undefined ? {} : { PAPO_LIBTORCH: libtorch }),
    },
    encoding: "utf8",
    timeout: 400_000,
  });
}

function install(...options: string[]): { folder: string; papo: string } {
  const folder = mkdtempSync(join(world.dir, "installed-"));
  writeFileSync(join(folder, "package.json"), '{ "private": true }');
  const words = ["npm", "install", "--prefer-offline", "--no-audit", "--no-fund", ...options, tarball];
  const { status, stderr } = run(folder, words);
  expect(stderr).not.toContain("npm error");
  expect(status).toBe(0);
  return { folder, papo: join(folder, "node_modules", "papo") };
}

/** The libtorch of this clone's build, as a user names it. */
function libtorch(): string {
  const found = findLibtorch();
  if ("tried" in found) throw new Error(found.tried.join("; "));
  return found.dir;
}

test("an installed package finds libtorch in the user's cache, is well, and trains for 20 steps", () => {
  const { folder, papo } = install("--ignore-scripts");
  const manifest = JSON.parse(readFileSync(join(papo, "prebuilds/linux-x64/manifest.json"), "utf8")) as {
    libtorch: { version: string };
  };
  const cache = join(world.dir, "caches", "papo", `libtorch-${manifest.libtorch.version}-cpu`);
  mkdirSync(cache, { recursive: true });
  symlinkSync(libtorch(), join(cache, "torch"));

  const setup = run(folder, ["npx", "papo", "setup"]);
  expect(setup).toMatchObject({ status: 0, stderr: "" });
  expect(setup.stdout).toContain(`is in ${cache}/torch (prepared by papo setup)`);

  const doctor = run(folder, ["npx", "papo", "doctor"]);
  expect(doctor).toMatchObject({ status: 0, stderr: "" });
  expect(doctor.stdout).toContain(join(papo, "prebuilds/linux-x64/papo-native.node"));
  expect(doctor.stdout).toContain("Nothing is wrong.");

  const model = join(papo, "dist/miniature/checkpoint");
  const out = join(folder, "run");
  const longer = ["trainer.maxSteps=20", "trainer.totalEpochs=10", "trainer.saveFreq=20"];
  const words = trainWords({ ...world, model }, "miniature-papo", out, ...longer);
  const train = run(folder, ["npx", "papo", ...words]);
  expect(train.status, train.stderr).toBe(0);
  expect(jsonLines(join(out, "metrics.jsonl")).length).toBeGreaterThanOrEqual(20);
  expect(readdirSync(join(out, "checkpoints"))).toContain("step-000020");
});

test("what is missing or does not fit is named, with what can be done", () => {
  const { folder, papo } = install();
  const doctor = (dir?: string) => run(folder, ["npx", "papo", "doctor"], dir).stdout;
  rmSync(join(world.dir, "caches"), { recursive: true, force: true });
  expect(doctor()).toMatch(/no libtorch 2\.\d+\.\d+: prepared by setup: .* is not there; .*npx papo setup/su);

  const other = join(folder, "torch");
  mkdirSync(join(other, "lib"), { recursive: true });
  writeFileSync(join(other, "lib/libtorch_cpu.so"), "");
  writeFileSync(join(other, "version.py"), "__version__ = '2.12.1+cpu'\n");
  expect(doctor(other)).toMatch(/is libtorch 2\.12\.1\+cpu, this module needs .*unset PAPO_LIBTORCH/su);

  truncateSync(join(papo, "prebuilds/linux-x64/papo-native.node"), 4096);
  const broken = run(folder, ["npx", "papo", "doctor"], libtorch());
  expect(broken.status).toBe(1);
  expect(broken.stdout).toMatch(/not the file of its manifest.*install it again/su);
});

test("the package holds no test data, and unpacked takes under 25 MB", () => {
  const listing = spawnSync("tar", ["tvzf", tarball], { encoding: "utf8" }).stdout.trim().split("\n");
  const bytes = listing.map((line) => Number(line.trim().split(/\s+/)[2]));
  expect(bytes.reduce((sum, size) => sum + size, 0)).toBeLessThan(25e6);
  // Two more levels of processor are in a release.
  const module = bytes[listing.findIndex((line) => line.includes("papo-native.node"))] ?? Number.NaN;
  expect(bytes.reduce((sum, size) => sum + size, 2 * module)).toBeLessThan(25e6);
  expect(
    listing.filter((line) => /package\/(test|shared|runs|results)\/|\.test\.|\.parquet$|native\/test/.test(line)),
  ).toEqual([]);
});

test("the package for NVIDIA GPUs is optional, of papo's version, and for Linux with glibc", () => {
  const read = (file: string) => JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
  const { version } = read("package.json");
  const cuda = read("npm/linux-x64-cuda/package.json");
  expect(cuda).toMatchObject({ version, os: ["linux"], cpu: ["x64"], libc: ["glibc"] });
  const { stdout } = spawnSync("tar", ["xOzf", tarball, "package/package.json"], { encoding: "utf8" });
  expect(JSON.parse(stdout)).toMatchObject({ optionalDependencies: { "papo-linux-x64-cuda": version } });
});
