// A small policy whose heads the kernels of a device decode, on the CPU and by the way that CUDA takes.
import type { DeviceName, PolicyHandle, PolicyOptions } from "../../lib/native/binding.ts";
import { loadNative } from "../../lib/native/load.ts";
import { testing } from "./objective.ts";
import { keep, setWeight, tinyConfig } from "./tiny-policy.ts";

const native = loadNative();

/** Heads of 64 numbers, which the device's decode attention takes; the rotary sections are those of Qwen2.5-VL, halved. */
const config = { ...tinyConfig, text: { ...tinyConfig.text, headSize: 64, mropeSection: [8, 12, 12] as const } };

/** Matrices six times as large as initialised. */
export async function policyOn(device: DeviceName, dtype: PolicyOptions["dtype"] = "float32"): Promise<PolicyHandle> {
  const options = { dtype, device, trained: false, freezeVisionTower: false, checkpointActivations: false };
  const policy = keep(await native.createPolicy(config, options));
  await native.initializeWeights(policy, 3);
  for (const { name, shape } of native.policyTensors(policy)) {
    const values = await testing.policyValues(policy, name, "weight");
    if (shape.length > 1) await setWeight(policy, name, (index) => 6 * (values[index] ?? 0));
  }
  return policy;
}
