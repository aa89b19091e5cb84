import { textTable } from "../trainer/terminal.ts";
import { kernelRooflines } from "./kernels.ts";

/**
 * Prints bytes, FLOPs and roofline time of every GPU kernel at the sizes of the 3B and 7B recipes.
 * @throws {ConfigError} for an unknown GPU or a native module without testing exports
 */
export function benchKernels({ gpu, json }: { readonly gpu: string; readonly json?: boolean | undefined }): void {
  const rows = kernelRooflines(gpu);
  if (json === true) {
    console.log(JSON.stringify({ gpu, kernels: rows }));
    return;
  }
  const lines = textTable([
    ["model", "launcher", "MB", "MFLOP", "least us", "bound by"],
    ...rows.map(({ model, launcher, bytes, flops, microseconds, bound }) => [
      ...[model, launcher, (bytes / 1e6).toFixed(2), (flops / 1e6).toFixed(1), microseconds.toFixed(1), bound],
    ]),
  ]);
  console.log([...lines, `The least that ${gpu}'s data sheet allows for one launch each; not measured.`].join("\n"));
}
