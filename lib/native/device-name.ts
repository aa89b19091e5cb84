import type { DeviceName } from "./binding.ts";
import { loadNative } from "./load.ts";

/** What CUDA calls the GPU that `cuda` is, `NVIDIA H100 80GB HBM3`; of another device its own name. */
export function deviceName(device: DeviceName): string {
  return device === "cuda" ? (loadNative().runtimeInfo().cuda?.device ?? "") : device;
}
