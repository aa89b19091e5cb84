import { expect, test } from "vitest";
import { diagnose } from "../../lib/doctor/diagnose.ts";
import { describeFindings } from "../../lib/doctor/doctor.ts";
import type { Findings } from "../../lib/doctor/doctor.ts";
import { cpuFeatures } from "../../lib/doctor/machine.ts";

const info = {
  torchVersion: "2.13.0",
  compiler: "g++ 12.2.0",
  vectorUnit: "AVX2",
  cpuCapability: "AVX2",
  floatProduct: "papo",
  bfloat16Product: "float32",
  numThreads: 2,
  testing: true,
} as const;
const findings: Findings = {
  papo: "0.1.0",
  node: "20.19.0",
  platform: "linux x64",
  git: undefined,
  libtorch: { dir: "/lt/torch", version: "2.13.0+cpu", how: "prepared by setup" },
  native: { file: "/papo/build/Release/papo.node", info, passedOver: [] },
  machine: {
    processor: "some processor",
    cores: 2,
    features: ["avx2", "fma"],
    memoryTotal: 16e9,
    memoryAvailable: 8e9,
    diskFree: 37e9,
    gpus: [],
  },
};

test("a machine that has everything gets no diagnosis, with or without a GPU", () => {
  expect(diagnose(findings)).toEqual([]);
  expect(diagnose({ ...findings, machine: { ...findings.machine, gpus: ["some GPU"], diskFree: undefined } })).toEqual(
    [],
  );
});

test("a native module that does not load is needed", () => {
  const native = { problem: "the native module does not load", solutions: ["run setup"] };
  expect(diagnose({ ...findings, native })).toEqual([{ needed: true, ...native }]);
});

test("little memory, little disk and a processor without AVX2 are told but not needed", () => {
  const machine = { ...findings.machine, memoryAvailable: 1.1e9, diskFree: 1e8, features: ["fma"] };
  const problems = diagnose({ ...findings, machine });
  expect(problems.map(({ needed }) => needed)).not.toContain(true);
  expect(problems[0]?.problem).toBe("1.1 GB of memory available");
  expect(problems[1]?.problem).toBe("0.1 GB free on this folder's disk");
});

test("a CUDA build that can use no GPU is told with what to do, one that can is not", () => {
  const without = { built: 13_000, driver: 0, numDevices: 0, device: "", problem: "no NVIDIA driver is installed" };
  const native = (cuda: typeof without) => ({
    file: "/papo/build-cuda/Release/papo.node",
    info: { ...info, cuda },
    passedOver: [],
  });
  const problems = diagnose({ ...findings, native: native(without) });
  expect(problems).toMatchObject([{ needed: false, problem: expect.stringContaining("no NVIDIA driver") as string }]);
  expect(problems[0]?.solutions.join("\n")).toContain("unset PAPO_NATIVE");
  const usable = { built: 13_000, driver: 13_010, numDevices: 2, device: "NVIDIA H200", problem: "" };
  expect(diagnose({ ...findings, native: native(usable) })).toEqual([]);
  expect(new Map(describeFindings({ ...findings, native: native(usable) })).get("CUDA")).toBe(
    "no GPU found (none is needed); built with CUDA 13.0, driver for CUDA 13.1, devices: 2",
  );
});

test("the printed lines say how libtorch was found", () => {
  const lines = new Map(describeFindings(findings));
  expect(lines.get("libtorch")).toBe("2.13.0+cpu in /lt/torch (prepared by setup)");
  const none = describeFindings({ ...findings, libtorch: { tried: ["/lt is missing", "python3 has no torch"] } });
  expect(new Map(none).get("libtorch")).toBe("none found: /lt is missing; python3 has no torch");
  expect(new Map(describeFindings({ ...findings, libtorch: undefined })).get("libtorch")).toBe("2.13.0");
  expect(lines.get("products")).toBe("float32 by papo, bfloat16 by float32");
  expect(lines.get("CUDA")).toBe("no GPU found (none is needed); this build is for the CPU");
});

test("features are read from /proc/cpuinfo of x86 and Arm", () => {
  expect(cpuFeatures("processor\t: 0\nflags\t\t: fpu avx avx2 avx512f avx512_bf16 fma\n")).toEqual([
    "avx2",
    "fma",
    "avx512",
    "avx512_bf16",
  ]);
  expect(cpuFeatures("processor\t: 0\nFeatures\t: fp asimd bf16 sve\n")).toEqual(["neon", "bf16"]);
  expect(cpuFeatures("")).toEqual([]);
});
