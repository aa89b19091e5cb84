import type { DeviceName } from "../../lib/native/binding.ts";
import { loadNative } from "../../lib/native/load.ts";

/** Whether the tests run on a GPU: those of a CUDA build, which PAPO_NATIVE names. */
export const onCuda = loadNative().runtimeInfo().cuda !== undefined;

/** The device whose ops run by the kernels: the GPU with a CUDA build, else the emulated one. */
export const kernelDevice: DeviceName = onCuda ? "cuda" : "emulated";
