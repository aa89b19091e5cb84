import { textTable } from "../trainer/terminal.ts";
import type { KernelUsage } from "./kernel-usage.ts";
import { kernelRooflines } from "./kernels.ts";

/**
 * Prints bytes, FLOPs and roofline time of every GPU kernel at the sizes of the 3B and 7B recipes, and what the kernels
 * take of an SM where a CUDA build is.
 * @throws {ConfigError} for an unknown GPU or a native module without testing exports
 */
export function benchKernels({ gpu, json }: { readonly gpu: string; readonly json?: boolean | undefined }): void {
  const rows = kernelRooflines(gpu);
  if (json === true) {
    console.log(JSON.stringify({ gpu, kernels: rows }));
    return;
  }
  const built = rows.some(({ kernels }) => kernels.length > 0);
  const lines = textTable([
    ["model", "launcher", "MB", "MFLOP", "least us", "bound by", ...(built ? ["registers", "occupancy %"] : [])],
    ...rows.map(({ model, launcher, bytes, flops, microseconds, bound, kernels }) => [
      ...[model, launcher, (bytes / 1e6).toFixed(2), (flops / 1e6).toFixed(1), microseconds.toFixed(1), bound],
      ...(built ? [eachOf(kernels, "registers"), eachOf(kernels, "occupancy", 100)] : []),
    ]),
  ]);
  const notes = [
    `The least that ${gpu}'s data sheet allows for one launch each; not measured.`,
    built
      ? "Registers and occupancy of each kernel that a launcher has, from the CUDA build's table."
      : "Registers and occupancy are shown where `npm run build -- --cuda` has run.",
  ];
  console.log([...lines, ...notes].join("\n"));
}

/** `202, 44` for a launcher of two kernels. */
function eachOf(kernels: readonly KernelUsage[], name: "registers" | "occupancy", scale = 1): string {
  return kernels.map((kernel) => Math.round(kernel[name] * scale)).join(", ");
}
