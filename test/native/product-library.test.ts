// Which library multiplies matrices follows from the processor, as the system names it, and from nothing that a busy
// machine could change.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { loadNative } from "../../lib/native/load.ts";

const { floatProduct, bfloat16Product, vectorUnit } = loadNative().runtimeInfo();

test.runIf(process.platform === "linux" && process.arch === "x64")("products are by what the processor is", () => {
  const cpu = readFileSync("/proc/cpuinfo", "utf8");
  const isIntel = /^vendor_id\s*: GenuineIntel$/mu.test(cpu);
  expect(floatProduct).toBe(!isIntel && vectorUnit.startsWith("AVX512") ? "papo" : "BLAS");
  expect(bfloat16Product).toBe(/^flags\s*:.* avx512_bf16\b/mu.test(cpu) ? "BLAS" : "float32");
});
