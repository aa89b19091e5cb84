import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { packageRoot } from "../../lib/native/load.ts";
import { parsePtxas, problemsOf, readBudgets, worstOf } from "../../scripts/check-kernels.mjs";

const said = `ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_ZN4papo7kernels39_GLOBAL__N__2af1dd2a_7_rope_cu_307fb54311rope_kernelIffLi4EEEvPKT_' for 'sm_80'
ptxas info    : Function properties for _ZN4papo7kernels39_GLOBAL__N__2af1dd2a_7_rope_cu_307fb54311rope_kernelIffLi4EEEvPKT_
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 29 registers, used 1 barriers, 128 bytes smem
ptxas info    : Compiling entry function '_ZN4papo7kernels39_GLOBAL__N__2af1dd2a_7_rope_cu_307fb54311rope_kernelI13__nv_bfloat16fLi8EEEvPKT_' for 'sm_80'
    16 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 34 registers, used 0 barriers
ptxas info    : Compiling entry function '_ZN4papo7kernels24decode_parts_bf16_kernelILi128EEEvNS0_15DecodeAttentionI13__nv_bfloat16EE' for 'sm_90a'
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 168 registers, used 1 barriers, 23040 bytes smem
`;

describe("what ptxas says", () => {
  test("is read kernel by kernel, names without hashes and types of templates", () => {
    const [first, second, third] = parsePtxas(said, "rope");
    expect(first).toEqual({
      name: "rope/rope_kernel",
      sm: 80,
      registers: 29,
      spillBytes: 0,
      sharedBytes: 128,
      barriers: 1,
    });
    expect(second).toMatchObject({ name: "rope/rope_kernel", registers: 34, spillBytes: 20, sharedBytes: 0 });
    expect(third).toMatchObject({
      name: "rope/decode_parts_bf16_kernel<128>",
      sm: 90,
      registers: 168,
      sharedBytes: 23_040,
    });
  });

  test("counts at its most over a kernel's instantiations, for each architecture", () => {
    const worst = worstOf(parsePtxas(said, "rope"));
    expect(worst.map(({ name, sm }) => `${name} ${sm}`)).toEqual([
      "rope/decode_parts_bf16_kernel<128> 90",
      "rope/rope_kernel 80",
    ]);
    expect(worst[1]).toMatchObject({ registers: 34, spillBytes: 20, sharedBytes: 128, barriers: 1 });
  });
});

test("spills, a budget exceeded and a kernel without one are problems", () => {
  const kernels = worstOf(parsePtxas(said, "rope"));
  expect(problemsOf(kernels, { "rope/rope_kernel": { registers: 32 } })).toEqual([
    "rope/decode_parts_bf16_kernel<128> for sm_90 has no budget in native/kernels/budgets.json",
    "rope/rope_kernel for sm_80 spills 20 bytes",
    "rope/rope_kernel for sm_80 takes 34 registers, its budget is 32",
  ]);
});

test("every kernel of the sources has a budget, and every budget a kernel", () => {
  const folder = join(packageRoot, "native", "kernels");
  const source = (file: string) => readFileSync(join(folder, file), "utf8");
  const inFile = (text: string) => Array.from(text.matchAll(/\b(\w+_kernel)\(/g), ([, name = ""]) => name);
  const expected = readdirSync(folder)
    .filter((file) => file.endsWith(".cu"))
    .flatMap((file) => {
      // Kernels in headers that only this file includes, as the two decode passes are.
      const included = Array.from(source(file).matchAll(/#include "kernels\/(decode_parts_\w+\.cuh)"/g), (match) =>
        source(match[1] ?? ""),
      );
      return [source(file), ...included].flatMap(inFile).map((name) => `${file.replace(/\.cu$/, "")}/${name}`);
    });
  const budgeted = Object.keys(readBudgets()).map((name) => name.replace(/<.*/, ""));
  expect([...new Set(budgeted)].sort()).toEqual([...new Set(expected)].sort());
});
