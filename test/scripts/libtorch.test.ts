import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { findPython } from "../../scripts/lib/prerequisites.mjs";
import { readLibtorch } from "../../scripts/lib/libtorch.mjs";
import { bareProject, runNode, startModule, temporaryFolder } from "../support/processes.ts";

const library = process.platform === "darwin" ? "libtorch_cpu.dylib" : "libtorch_cpu.so";

/** The files that a libtorch is known by, with empty libraries. */
function writeLibtorch(folder: string, version: string): void {
  const [major, minor, patch] = version.split(".");
  const header = `#define TORCH_VERSION_MAJOR ${major}\n#define TORCH_VERSION_MINOR ${minor}\n#define TORCH_VERSION_PATCH ${patch}\n`;
  const files = {
    "include/ATen/ATen.h": "",
    "include/torch/csrc/api/include/torch/version.h": header,
    [`lib/${library}`]: "",
    "lib/libtorch_python.so": "",
    "version.py": `__version__ = '${version}+cpu'\ncuda: Optional[str] = None\n`,
    "__init__.py": "",
  };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

/** A folder with a wheel of the pinned version's name that holds a stand-in of the given version. */
function wheelhouse(version: string): string {
  const folder = temporaryFolder();
  writeLibtorch(join(folder, "torch"), version);
  const info = join(folder, "torch-2.13.0.dist-info");
  mkdirSync(info);
  writeFileSync(join(info, "METADATA"), "Metadata-Version: 2.1\nName: torch\nVersion: 2.13.0\n");
  writeFileSync(join(info, "WHEEL"), "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-any\n");
  writeFileSync(join(info, "RECORD"), "");
  const args = ["-m", "zipfile", "-c", "torch-2.13.0-py3-none-any.whl", "torch", "torch-2.13.0.dist-info"];
  expect(spawnSync(findPython() ?? "python3", args, { cwd: folder }).status).toBe(0);
  return folder;
}

/** Prepares libtorch in a bare project with no other source of wheels than the folder. */
function prepare(project: string, wheels: string) {
  const code = `
    import { prepareLibtorch } from "./scripts/lib/wheel.mjs";
    import { startStep } from "./scripts/lib/report.mjs";
    console.log("prepared", (await prepareLibtorch(startStep("libtorch"))).version);`;
  const env = { PIP_NO_INDEX: "1", PIP_FIND_LINKS: wheels, PIP_CONFIG_FILE: "/dev/null" };
  return runNode(["--input-type=module", "-e", code], { cwd: project, env });
}

test("the wheel is unpacked without Python's parts, and neither wheel nor temporary folder stays", () => {
  const project = bareProject();
  expect(prepare(project, wheelhouse("2.13.0")).stdout).toContain("prepared 2.13.0+cpu");
  expect(readdirSync(join(project, ".libtorch"))).toEqual(["torch"]);
  expect(readdirSync(join(project, ".libtorch/torch")).sort()).toEqual(["include", "lib", "version.py"]);
  expect(readdirSync(join(project, ".libtorch/torch/lib"))).toEqual([library]);
});

test("what a killed preparation left behind is repaired", () => {
  const project = bareProject();
  mkdirSync(join(project, ".libtorch/unpacking/torch/include"), { recursive: true });
  mkdirSync(join(project, ".libtorch/torch/lib"), { recursive: true });
  expect(prepare(project, wheelhouse("2.13.0")).stdout).toContain("prepared 2.13.0+cpu");
  expect(readdirSync(join(project, ".libtorch"))).toEqual(["torch"]);
});

test("a truncated wheel is an error and is removed, so that the next run downloads it again", () => {
  const project = bareProject();
  const wheels = wheelhouse("2.13.0");
  const downloads = join(project, ".libtorch/download");
  mkdirSync(downloads, { recursive: true });
  const broken = join(downloads, "torch-2.13.0-py3-none-any.whl");
  writeFileSync(broken, "PK");
  truncateSync(broken, 1);
  expect(prepare(project, wheels).stderr).toContain("not a zip file");
  expect(existsSync(broken)).toBe(false);
  expect(prepare(project, wheels).stdout).toContain("prepared 2.13.0+cpu");
});

test("a wheel that holds another version than its name says is refused", () => {
  const project = bareProject();
  expect(prepare(project, wheelhouse("2.14.0")).stderr).toContain("is not torch 2.13.0: it holds version 2.14.0+cpu");
  expect(existsSync(join(project, ".libtorch/torch"))).toBe(false);
});

test("without a source of wheels the error says what can be done", () => {
  const { status, stderr } = prepare(bareProject(), temporaryFolder());
  expect(status).not.toBe(0);
  expect(stderr).toContain("torch==2.13.0 could not be downloaded");
  expect(stderr).toContain("PAPO_LIBTORCH");
});

test("a folder is a libtorch when headers and library are there in a version that builds", () => {
  const folder = temporaryFolder();
  expect(readLibtorch(folder, "here")).toHaveProperty("problem", `${join(folder, "include/ATen/ATen.h")} is missing`);
  writeLibtorch(folder, "2.12.1");
  expect(readLibtorch(folder, "here")).toHaveProperty("problem", expect.stringContaining("is libtorch 2.12.1+cpu"));
  writeLibtorch(folder, "2.14.1");
  expect(readLibtorch(folder, "here")).toEqual({ dir: folder, version: "2.14.1+cpu", cuda: undefined, how: "here" });
});

test("PAPO_LIBTORCH naming a wrong folder is one clear error", () => {
  const { status, stderr } = runNode(["scripts/build-native.mjs"], { env: { PAPO_LIBTORCH: "/nowhere" } });
  expect(status).toBe(1);
  expect(stderr).toBe("\npapo setup: PAPO_LIBTORCH=/nowhere: /nowhere/include/ATen/ATen.h is missing\n");
});

test("papo setup's download goes through the environment's proxy, and a wheel of another sha256 is refused", async () => {
  const name = "torch-2.13.0-py3-none-any.whl";
  const wheel = readFileSync(join(wheelhouse("2.13.0"), name));
  const sha256 = createHash("sha256").update(wheel).digest("hex");
  let listed = "0".repeat(64);
  const asked: string[] = [];
  const proxy = createServer(({ url = "" }, response) => {
    asked.push(url);
    response.setHeader("content-type", url.endsWith(".whl") ? "application/octet-stream" : "text/html");
    response.end(url.endsWith(".whl") ? wheel : `<a href="/wheels/${name}#sha256=${listed}">${name}</a>`);
  });
  await new Promise<void>((done) => proxy.listen(0, "127.0.0.1", done));
  onTestFinished(() => void proxy.close());
  const { port } = proxy.address() as AddressInfo;
  const env = {
    ...{ PIP_INDEX_URL: "http://index.invalid/simple", PIP_TRUSTED_HOST: "index.invalid", PIP_NO_CACHE_DIR: "1" },
    ...{ PIP_CONFIG_FILE: "/dev/null", PIP_FIND_LINKS: "", PIP_EXTRA_INDEX_URL: "", PIP_CONSTRAINT: "" },
    ...{ http_proxy: `http://127.0.0.1:${port}`, HTTP_PROXY: `http://127.0.0.1:${port}`, no_proxy: "", NO_PROXY: "" },
  };
  const folder = join(temporaryFolder(), "cache");
  const code = `
    import { prepareInstalled } from "./scripts/lib/installed.mjs";
    console.log(await prepareInstalled(${JSON.stringify(folder)}, false) ?? "prepared");`;
  const prepare = async () => {
    const { ended, output } = startModule(code, { env });
    await ended;
    return output();
  };
  expect(await prepare()).toMatch(/could not be downloaded[^]*THESE PACKAGES DO NOT MATCH THE HASHES/u);
  expect(asked).toContain("http://index.invalid/simple/torch/");
  listed = sha256;
  expect(await prepare()).toContain(`2.13.0+cpu in ${folder}/torch`);
  expect(readdirSync(folder).sort()).toEqual(["logs", "torch"]);
});
