import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { findLibtorch, libtorchCache } from "../../lib/native/libtorch.ts";
import { chooseModule, loadPrebuilt } from "../../lib/native/prebuilt.ts";
import { packageRoot } from "../../lib/native/load.ts";
import { cudaDriverProblem } from "../../lib/native/cuda-driver.ts";
import { newestSymbol } from "../../scripts/lib/prebuild-manifest.mjs";
import { pipProgress } from "../../scripts/lib/wheel.mjs";
import { tempFolder } from "../support/temp.ts";

const cpu = { version: "2.13.0", cuda: null };

afterEach(() => {
  vi.unstubAllEnvs();
});

/** A folder that looks like a wheel's torch/. */
function writeTorch(dir: string, version: string, cuda?: string): string {
  mkdirSync(join(dir, "lib"), { recursive: true });
  for (const library of ["cpu", "cuda"]) writeFileSync(join(dir, "lib", `libtorch_${library}.so`), "");
  writeFileSync(
    join(dir, "version.py"),
    `__version__ = '${version}'\ncuda: Optional[str] = ${cuda ? `'${cuda}'` : "None"}\n`,
  );
  return dir;
}

/** Prebuilt files with their manifest, which `change` may falsify. */
function writePrebuilt(change: object = {}): string {
  const folder = tempFolder();
  const file = (name: string) => {
    writeFileSync(join(folder, name), name);
    return { file: name, sha256: createHash("sha256").update(name).digest("hex"), bytes: name.length };
  };
  const manifest = {
    ...{ papo: "0.1.0", revision: null, napi: 8, libtorch: cpu, glibc: "2.34", glibcxx: "3.4.30" },
    ...{ preload: file("preload.node"), modules: [{ ...file("papo.node"), cpu: [] }], ...change },
  };
  writeFileSync(join(folder, "manifest.json"), JSON.stringify(manifest));
  return folder;
}

test("libtorch is looked for in the named folder, the clone's, the user's, in this order", () => {
  const root = tempFolder();
  vi.stubEnv("PAPO_LIBTORCH", "");
  vi.stubEnv("XDG_CACHE_HOME", join(root, "caches"));
  vi.stubEnv("PATH", "");
  expect(findLibtorch(cpu, root)).toHaveProperty("tried.length", 3);
  const users = writeTorch(join(libtorchCache(cpu), "torch"), "2.13.0+cpu");
  expect(findLibtorch(cpu, root)).toMatchObject({ dir: users, how: "prepared by papo setup" });
  const clones = writeTorch(join(root, ".libtorch", "torch"), "2.13.0+cpu");
  expect(findLibtorch(cpu, root)).toMatchObject({ dir: clones, how: "prepared by setup" });
  const named = writeTorch(join(root, "mine"), "2.13.0");
  vi.stubEnv("PAPO_LIBTORCH", named);
  expect(findLibtorch(cpu, root)).toMatchObject({ dir: named, how: "PAPO_LIBTORCH" });
});

test("another release of libtorch and one for another CUDA do not do, and a named one is not passed over", () => {
  const root = tempFolder();
  writeTorch(join(root, ".libtorch", "torch"), "2.13.0+cpu");
  vi.stubEnv("PAPO_LIBTORCH", writeTorch(join(root, "mine"), "2.14.1+cu130", "13.0"));
  const refusal = expect.stringMatching(/is libtorch 2\.14\.1\+cu130, this module needs 2\.13\.0$/u) as string;
  expect(findLibtorch(cpu, root)).toEqual({ tried: [refusal] });
  expect(findLibtorch({ version: "2.14.1", cuda: "13.0" }, root)).toHaveProperty("version", "2.14.1+cu130");
  expect(findLibtorch({ version: "2.14.1", cuda: "12.8" }, root)).toHaveProperty("tried");
});

test("the best module that the processor can run is taken", () => {
  const one = (name: string, flags: string[]) => ({ file: name, sha256: "", bytes: 0, cpu: flags });
  const modules = [one("v4", ["avx2", "avx512f"]), one("v3", ["avx2"])];
  expect(chooseModule({ modules }, new Set(["avx2", "avx512f", "sse4_2"])).file).toBe("v4");
  expect(chooseModule({ modules }, new Set(["avx2"])).file).toBe("v3");
  expect(() => chooseModule({ modules }, new Set(["sse4_2"]))).toThrow("need a processor with avx2");
});

test("a changed file, a broken manifest, an older Node-API and a missing libtorch are refused before anything loads", () => {
  const root = tempFolder();
  vi.stubEnv("PAPO_LIBTORCH", join(root, "nowhere"));
  const load = (folder: string) => () => loadPrebuilt(folder, root);
  expect(load(writePrebuilt())).toThrow(/no libtorch 2\.13\.0: PAPO_LIBTORCH: .* is not there/u);
  expect(load(writePrebuilt({ napi: 99 }))).toThrow("needs Node-API 99");
  const changed = writePrebuilt();
  writeFileSync(join(changed, "papo.node"), "papo.nodf");
  expect(load(changed)).toThrow("not the file of its manifest");
  const broken = writePrebuilt();
  writeFileSync(join(broken, "manifest.json"), '{"papo": "0.1');
  expect(load(broken)).toThrow("broken, no manifest");
  expect(load(join(root, "nowhere"))).toThrow("manifest.json: not there");
});

test("a driver that ends its process, hangs no papo: the reason comes back as text", () => {
  const folder = tempFolder();
  const driver = (code: string): string => {
    const file = join(folder, `${createHash("sha256").update(code).digest("hex")}.cjs`);
    writeFileSync(file, `exports.cudaDevices = () => { ${code} };`);
    return file;
  };
  expect(cudaDriverProblem(driver("process.kill(process.pid, 'SIGSEGV')"))).toContain("SIGSEGV");
  expect(cudaDriverProblem(driver("return 0"))).toBe("NVIDIA's driver offers no GPU");
  expect(cudaDriverProblem(driver("throw new Error('cuInit failed')"))).toBe("cuInit failed");
  expect(cudaDriverProblem(driver("return 1"))).toBeUndefined();
});

test("the preloading module reports a library that cannot be loaded, in the loader's words", async () => {
  const { createRequire } = await import("node:module");
  const preload = createRequire(import.meta.url)(join(packageRoot, "build", "Release", "preload.node")) as {
    loadLibrary: (file: string) => void;
  };
  expect(() => {
    preload.loadLibrary("/nowhere/libtorch_cpu.so");
  }).toThrow("cannot open shared object file");
});

test("versions of symbols are compared as numbers", () => {
  expect(newestSymbol("Name: GLIBC_2.2.5 Name: GLIBC_2.34 Name: GLIBC_2.9 Name: GLIBCXX_3.4.30", "GLIBC")).toBe("2.34");
});

test("pip's progress is a share of the wheel", () => {
  expect(pipProgress("Progress 49000000 of 196000000")).toBe("25 % of 196 MB");
  expect(pipProgress("Progress 37 of 0")).toBeUndefined();
  expect(pipProgress("Saved ./torch.whl")).toBeUndefined();
});
