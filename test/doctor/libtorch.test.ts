import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { libtorchNote, searchLibtorch } from "../../lib/doctor/libtorch.ts";
import { packageRoot } from "../../lib/native/load.ts";
import { tempFolder } from "../support/temp.ts";

test("a note of setup is read, and a broken or absent one is none", () => {
  const root = tempFolder();
  expect(libtorchNote(root)).toBeUndefined();
  mkdirSync(join(root, ".setup"));
  const note = { dir: "/lt/torch", version: "2.13.0+cpu", how: "prepared by setup" };
  for (const [text, expected] of [
    [JSON.stringify(note), note],
    ['{"dir": "/lt', undefined],
    ["null", undefined],
    ['{"dir": "/lt/torch"}', undefined],
  ] as const) {
    writeFileSync(join(root, ".setup", "libtorch.json"), text);
    expect(libtorchNote(root)).toEqual(expected);
  }
  const ofCuda = { dir: "/lt/cuda/torch", version: "2.14.1+cu130", how: "prepared for CUDA" };
  writeFileSync(join(root, ".setup", "libtorch-cuda.json"), JSON.stringify(ofCuda));
  expect(libtorchNote(root, true)).toEqual(ofCuda);
  expect(libtorchNote(root)).toBeUndefined();
});

test("setup's own search says what it looked at", async () => {
  const root = tempFolder();
  cpSync(join(packageRoot, "scripts"), join(root, "scripts"), { recursive: true });
  vi.stubEnv("PAPO_LIBTORCH", join(root, "nowhere"));
  try {
    expect(await searchLibtorch(root)).toEqual({
      tried: [expect.stringMatching(/PAPO_LIBTORCH=.*ATen\.h is missing/u)],
    });
  } finally {
    vi.unstubAllEnvs();
  }
  expect(await searchLibtorch(join(root, "elsewhere"))).toHaveProperty("tried");
});
