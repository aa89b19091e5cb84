import { spawnSync } from "node:child_process";
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { isToolkit, readCudaLibtorch } from "../../scripts/lib/cuda.mjs";
import { cudaMembers, toolkitWheels, torchWheels } from "../../scripts/lib/cuda-wheels.mjs";
import { findPython } from "../../scripts/lib/prerequisites.mjs";
import { bareProject, runNode, temporaryFolder } from "../support/processes.ts";

function write(file: string, text = ""): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

const nvcc = "#!/bin/sh\necho Cuda compilation tools, release 13.0, V13.0.88\n";

/** Puts a wheel with the given files into a folder. */
function writeWheel(house: string, requirement: string, files: Readonly<Record<string, string>>): void {
  const [name = "", version = ""] = requirement.replaceAll("-", "_").split("==");
  const stem = `${name}-${version}`;
  const folder = join(house, stem);
  const info = join(folder, `${stem}.dist-info`);
  write(join(info, "METADATA"), `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`);
  write(join(info, "WHEEL"), "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-any\n");
  write(join(info, "RECORD"));
  for (const [file, text] of Object.entries(files)) {
    write(join(folder, file), text);
    if (file.includes("/bin/")) chmodSync(join(folder, file), 0o755);
  }
  const args = ["-m", "zipfile", "-c", `../${stem}-py3-none-any.whl`, "nvidia", `${stem}.dist-info`];
  expect(spawnSync(findPython() ?? "python3", args, { cwd: folder }).status).toBe(0);
}

const toolkitFiles: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "nvidia-cuda-nvcc": { "nvidia/cu13/bin/nvcc": nvcc, "nvidia/__init__.py": "" },
  "nvidia-cuda-crt": { "nvidia/cu13/include/crt/host_config.h": "" },
  "nvidia-cuda-cccl": { "nvidia/cu13/include/cccl/cuda/std/array": "" },
  "nvidia-nvvm": { "nvidia/cu13/nvvm/bin/cicc": "", "nvidia/cu13/lib/libnvvm.so.4": "" },
  "nvidia-cuda-runtime": {
    "nvidia/cu13/include/cuda_runtime.h": "",
    "nvidia/cu13/include/cuda_occupancy.h": "",
    "nvidia/cu13/lib/libcudart.so.13": "",
  },
};

const lastWheel = toolkitWheels.wheels.at(-1) ?? "";

/** A folder of stand-ins for wheels of the toolkit. */
function houseOf(wheels: readonly string[]): string {
  const house = temporaryFolder();
  for (const wheel of wheels) writeWheel(house, wheel, toolkitFiles[wheel.split("==")[0] ?? ""] ?? {});
  return house;
}

/** Prepares a toolkit in a bare project with no other source of wheels than the folder. */
function prepare(project: string, house: string) {
  const code = `
    import { prepareToolkit } from "./scripts/lib/cuda.mjs";
    import { startStep } from "./scripts/lib/report.mjs";
    console.log("toolkit", await prepareToolkit(startStep("cuda")));`;
  const env = { PIP_NO_INDEX: "1", PIP_FIND_LINKS: house, PIP_CONFIG_FILE: "/dev/null" };
  return runNode(["--input-type=module", "-e", code], { cwd: project, env });
}

test("wheels that share a folder make one toolkit, in as many runs as it takes", () => {
  const project = bareProject();
  const first = prepare(project, houseOf(toolkitWheels.wheels.slice(0, -1)));
  expect(first.status).not.toBe(0);
  expect(first.stderr).toContain(`${lastWheel} could not be downloaded`);
  expect(first.stderr).toContain("set PIP_FIND_LINKS to it");
  expect(first.stderr).toContain("set CUDA_HOME to its folder");
  const folder = join(project, ".libtorch", "cuda");
  expect(readdirSync(join(folder, ".wheels"))).toHaveLength(toolkitWheels.wheels.length - 1);

  // The missing wheel alone is looked for.
  const { stdout, stderr } = prepare(project, houseOf([lastWheel]));
  expect(stderr).toBe("");
  const toolkit = join(folder, "nvidia", "cu13");
  expect(stdout).toContain(`toolkit ${toolkit}`);
  expect(isToolkit(toolkit)).toBe(true);
  accessSync(join(toolkit, "bin", "nvcc"), constants.X_OK);
  // Files of each wheel: pip install --target, one wheel after the other, would leave the last one's.
  for (const file of ["include/crt/host_config.h", "include/cccl/cuda/std/array", "nvvm/bin/cicc", "lib/stubs"])
    expect(existsSync(join(toolkit, file)), file).toBe(true);
  expect(readlinkSync(join(toolkit, "lib64"))).toBe("lib");
  expect(readlinkSync(join(toolkit, "lib", "libcudart.so"))).toBe("libcudart.so.13");
  expect(existsSync(join(folder, "nvidia", "__init__.py"))).toBe(false);
  expect(existsSync(join(folder, "download"))).toBe(false);
});

test("a toolkit has nvcc 13, headers and the runtime library", () => {
  const folder = temporaryFolder();
  expect(isToolkit(folder)).toBe(false);
  write(join(folder, "bin", "nvcc"), nvcc);
  chmodSync(join(folder, "bin", "nvcc"), 0o755);
  for (const file of ["include/cuda_runtime.h", "include/cuda_occupancy.h"]) write(join(folder, file));
  expect(isToolkit(folder)).toBe(false);
  write(join(folder, "lib64", "libcudart.so"));
  expect(isToolkit(folder)).toBe(true);
  writeFileSync(join(folder, "bin", "nvcc"), nvcc.replace("13.0", "12.8"));
  expect(isToolkit(folder)).toBe(false);
});

test("libtorch for the CPU or for another CUDA is not for the CUDA build, and is told from one that is", () => {
  const folder = temporaryFolder();
  const header = "#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 14\n#define TORCH_VERSION_PATCH 1\n";
  for (const [file, text] of [
    ["include/ATen/ATen.h", ""],
    ["include/torch/csrc/api/include/torch/version.h", header],
    ["lib/libtorch_cpu.so", ""],
    ["lib/libtorch_cuda.so", ""],
  ] as const)
    write(join(folder, file), text);
  const read = (version: string) => {
    write(join(folder, "version.py"), version);
    return readCudaLibtorch(folder, "there");
  };
  expect(read("__version__ = '2.14.1+cpu'\ncuda: Optional[str] = None\n")).toHaveProperty(
    "problem",
    "it is libtorch 2.14.1+cpu for the CPU; expected 2.14 for CUDA 13 (torch's cu130 wheel)",
  );
  expect(read("__version__ = '2.14.1+cu126'\ncuda: Optional[str] = '12.6'\n")).toHaveProperty("problem");
  const found = read("__version__ = '2.14.1+cu130'\ncuda: Optional[str] = '13.0'\n");
  expect(found).toMatchObject({ dir: folder, version: "2.14.1+cu130", cuda: "13.0" });
});

test("of the wheels nothing is kept that is Python's, and all that loads or compiles", () => {
  const kept = (name: string) => new RegExp(`^(?:${cudaMembers})$`).test(name);
  for (const name of [
    ...["torch/lib/libtorch_cuda.so", "torch/lib/libc10_cuda.so", "torch/lib/libtorch_cuda_linalg.so"],
    ...["torch/include/c10/cuda/CUDAStream.h", "torch/version.py", "nvidia/cudnn/lib/libcudnn.so.9"],
    ...["nvidia/cu13/bin/ptxas", "nvidia/cu13/lib/libcudart_static.a", "nvidia/nccl/lib/libnccl.so.2"],
  ])
    expect(kept(name), name).toBe(true);
  for (const name of ["torch/lib/libtorch_python.so", "torch/nn/functional.py", "nvidia/__init__.py", "bin/torchrun"])
    expect(kept(name), name).toBe(false);
  expect(torchWheels.wheels[0]).toMatch(/^torch==2\.14\./);
});
