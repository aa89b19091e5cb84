import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { cacheMismatch } from "../../scripts/lib/native.mjs";
import { packagesProblem } from "../../scripts/lib/packages.mjs";
import { tellingLines } from "../../scripts/lib/process.mjs";
import { outputsOf, sourcesOf } from "../../scripts/lib/typescript.mjs";
import { cudaRequirements, torchMembers } from "../../scripts/lib/wheel.mjs";
import { bareProject, runNode } from "../support/processes.ts";

const lock = {
  packages: {
    "": { version: "0.1.0" },
    "node_modules/zod": { version: "4.6.7" },
    "node_modules/@img/sharp-win32-x64": { version: "0.35.5", optional: true },
  },
};

test("node_modules is current when it has every package of the lock file but optional ones", () => {
  expect(packagesProblem(lock, { packages: { "node_modules/zod": { version: "4.6.7" } } })).toBeUndefined();
});

test("a missing, an older and an interrupted installation are out of date", () => {
  expect(packagesProblem(lock, undefined)).toContain("missing or unfinished");
  expect(packagesProblem(lock, { packages: {} })).toContain("node_modules/zod is missing");
  const older = { packages: { "node_modules/zod": { version: "4.6.6" } } };
  expect(packagesProblem(lock, older)).toBe("node_modules/zod is 4.6.6, package-lock.json has 4.6.7");
});

test("an optional package of another version is out of date", () => {
  const other = {
    packages: { "node_modules/zod": { version: "4.6.7" }, "node_modules/@img/sharp-win32-x64": { version: "0.35.4" } },
  };
  expect(packagesProblem(lock, other)).toContain("sharp-win32-x64 is 0.35.4");
});

test("objects built with another libtorch, generator or folder are not kept", () => {
  const now = { torchDir: "/lt/torch", generator: "Ninja", home: "/papo" };
  const cache = "PAPO_TORCH_DIR:PATH=/lt/torch\nCMAKE_GENERATOR:INTERNAL=Ninja\nCMAKE_HOME_DIRECTORY:INTERNAL=/papo\n";
  expect(cacheMismatch(cache, now)).toBe(false);
  expect(cacheMismatch(cache, { ...now, torchDir: "/lt2/torch" })).toBe(true);
  expect(cacheMismatch(cache, { ...now, generator: "Unix Makefiles" })).toBe(true);
  expect(cacheMismatch(cache, { ...now, home: "/papo2" })).toBe(true);
  expect(cacheMismatch("", now)).toBe(true);
});

test("a compiled file belongs to its TypeScript source, an asset to itself", () => {
  expect(sourcesOf("cli/main.js")).toContain("cli/main.ts");
  expect(sourcesOf("cli/main.d.ts")).toContain("cli/main.ts");
  expect(sourcesOf("cli/main.js.map")).toContain("cli/main.ts");
  expect(sourcesOf("recipes/papo.yaml")).toEqual(["recipes/papo.yaml"]);
});

test("dist/ is out of date when any output of lib/ is missing", () => {
  expect(outputsOf("a/b.ts")).toEqual(["a/b.js", "a/b.js.map", "a/b.d.ts"]);
  expect(outputsOf("recipes/papo.yaml")).toEqual(["recipes/papo.yaml"]);
  const folder = bareProject();
  const names = ["cli/main.js", "cli/main.js.map", "cli/main.d.ts", "a.yaml"];
  for (const name of ["lib/cli/main.ts", "lib/a.yaml", ...names.map((name) => `dist/${name}`)]) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), "");
  }
  const code = `
    import { rmSync } from "node:fs";
    import { hashInputs, writeStamp } from "./scripts/lib/project.mjs";
    import { typescriptNeeded } from "./scripts/lib/typescript.mjs";
    const key = hashInputs(["lib", "package-lock.json"].map((name) => process.cwd() + "/" + name), []);
    writeStamp("typescript", key);
    const seen = [typescriptNeeded()];
    rmSync("dist/" + process.argv[1]);
    console.log(JSON.stringify([...seen, typescriptNeeded()]));`;
  expect(runNode(["--input-type=module", "-e", code, "a.yaml"], { cwd: folder })).toMatchObject({
    stdout: "[false,true]\n",
    stderr: "",
  });
});

test("the page is out of date when it, or a file that it asks for, is missing; without sources there is none", () => {
  const project = bareProject();
  const code = `
    import { mkdirSync, writeFileSync } from "node:fs";
    import { hasWeb } from "./scripts/lib/web.mjs";
    const seen = [hasWeb()];
    for (const dir of ["lib/dash/web", "dist/dash/web/assets"]) mkdirSync(dir, { recursive: true });
    writeFileSync("lib/dash/web/index.html", "");
    seen.push(hasWeb());
    writeFileSync("dist/dash/web/index.html", '<script src="/assets/a.js"></script>');
    seen.push(hasWeb());
    writeFileSync("dist/dash/web/assets/a.js", "");
    console.log(JSON.stringify([...seen, hasWeb()]));`;
  expect(runNode(["--input-type=module", "-e", code], { cwd: project })).toMatchObject({
    stdout: "[true,false,false,true]\n",
    stderr: "",
  });
});

test("a CUDA build's libtorch gets the CUDA libraries that it names, a CPU build none", () => {
  const needed = ["libc10.so", "libgomp.so.1", "libcupti.so.13", "libcudart.so.13", "libc.so.6"];
  expect(cudaRequirements(needed, "13.0")).toEqual(["nvidia-cuda-runtime==13.0.*", "nvidia-cuda-cupti==13.0.*"]);
  expect(cudaRequirements(["libcudart.so.12"], "12.8")).toEqual(["nvidia-cuda-runtime-cu12==12.8.*"]);
  expect(cudaRequirements(["libc10.so", "libgomp.so.1"], undefined)).toEqual([]);
});

test("of the wheel only headers, version and the CPU libraries are kept", () => {
  const kept = new RegExp(`^(?:${torchMembers})$`);
  for (const name of [
    "torch/include/ATen/ATen.h",
    "torch/version.py",
    "torch/lib/libc10.so",
    "torch/lib/libtorch_cpu.so",
    "torch/lib/libtorch_cpu.dylib",
    "torch/lib/libgomp.so.1",
    "torch/lib/libgomp-a34b3233.so.1",
    "torch/lib/libopenblas.so.0",
    "torch.libs/libgomp-98b21ff3.so.1.0.0",
  ]) {
    expect(name).toMatch(kept);
  }
  for (const name of [
    "torch/__init__.py",
    "torch/lib/libtorch_python.so",
    "torch/lib/libtorch_cuda.so",
    "torch/lib/libc10_cuda.so",
    "torch/lib/libjitbackend_test.so",
    "torch/lib/libshm/core.h",
    "torch/_C.cpython-311-x86_64-linux-gnu.so",
  ]) {
    expect(name).not.toMatch(kept);
  }
});

test("a failed command shows its first error and what follows, else its last lines", () => {
  const noise = Array.from({ length: 37 }, (_, i) => `[${i}/111] compiling`);
  expect(tellingLines([...noise, "a.cc:7:1: error: expected ';'", "  7 | }", ...noise])).toMatch(/^a\.cc:7:1: error/);
  expect(tellingLines(noise).split("\n")).toEqual(noise.slice(-20));
});
