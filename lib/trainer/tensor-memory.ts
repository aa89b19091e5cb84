// Memory that tensors take, as the native core counts it, and the limit to it.
import type { DeviceName } from "../native/binding.ts";
import { loadNative } from "../native/load.ts";

/** The most bytes that tensors of the device have taken at a time since the last call. */
export async function takeTensorPeak(device: DeviceName): Promise<number> {
  const { main, gpu } = await loadNative().takeMemoryPeak();
  return device === "cuda" ? gpu : main;
}

/** Limits what tensors take together; null: to what the device has. */
export function limitTensorMemory(gib: number | null): void {
  loadNative().setMemoryLimit(gib === null ? null : Math.max(1, Math.floor(gib * 2 ** 30)));
}
