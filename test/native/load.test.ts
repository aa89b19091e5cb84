import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { loadNative, nativeCandidates } from "../../lib/native/load.ts";
import { tempFolder } from "../support/temp.ts";

afterEach(() => {
  vi.unstubAllEnvs();
});

/** A folder with empty files of the given builds. */
function rootWith(...builds: ("build" | "build-cuda")[]): { root: string; file: (build: string) => string } {
  const root = tempFolder();
  const file = (build: string) => join(root, build, "Release", "papo.node");
  for (const build of builds) {
    mkdirSync(dirname(file(build)), { recursive: true });
    writeFileSync(file(build), "");
  }
  vi.stubEnv("PAPO_NATIVE", "");
  return { root, file };
}

test("libtorch's CUDA allocator grows its segments unless told otherwise", () => {
  loadNative();
  expect(process.env.PYTORCH_CUDA_ALLOC_CONF).toBe("expandable_segments:True");
});

test("the CUDA build comes first where a driver is, the CPU build where none is", () => {
  const { root, file } = rootWith("build", "build-cuda");
  expect(nativeCandidates(root, true)).toEqual([{ file: file("build-cuda") }]);
  expect(nativeCandidates(root, false)).toEqual([{ file: file("build") }]);
});

test("a driver without a CUDA build changes nothing", () => {
  const { root, file } = rootWith("build");
  expect(nativeCandidates(root, true)).toEqual([{ file: file("build") }]);
});

test("PAPO_NATIVE comes before both, also where it names nothing", () => {
  const { root, file } = rootWith("build", "build-cuda");
  vi.stubEnv("PAPO_NATIVE", file("build"));
  expect(nativeCandidates(root, true)).toEqual([{ file: file("build") }]);
  vi.stubEnv("PAPO_NATIVE", "/nowhere/papo.node");
  expect(nativeCandidates(root, true)).toEqual([{ problem: "PAPO_NATIVE: /nowhere/papo.node: not there" }]);
});

test("without a local build the prebuilt ones are looked at, after saying so", () => {
  const { root, file } = rootWith();
  mkdirSync(join(root, "lib"));
  expect(nativeCandidates(root, false)).toEqual([
    { problem: `${file("build")}: not there` },
    { problem: expect.stringContaining("prebuilds") as string },
  ]);
});

test("an installed package takes the CUDA package where a driver is, else its modules for the CPU", () => {
  const { root } = rootWith();
  const cuda = join(root, "npm", "linux-x64-cuda");
  const cpu = join(root, "prebuilds", `${process.platform}-${process.arch}`);
  for (const folder of [cuda, cpu]) mkdirSync(folder, { recursive: true });
  writeFileSync(join(cuda, "manifest.json"), "{}");
  expect(nativeCandidates(root, true)).toEqual([{ folder: cuda }, { folder: cpu }]);
  expect(nativeCandidates(root, false)).toEqual([{ folder: cpu }]);
});
