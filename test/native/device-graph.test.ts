// Work that is recorded and replayed. Emulated, it must hold to what a CUDA graph needs.
import { expect, test } from "vitest";
import { onCuda } from "../support/kernel-device.ts";
import { testing } from "../support/objective.ts";

test("replayed work takes what is in its tensors now", async () => {
  expect(await testing.replayGraph("none")).toBe(0);
});

test.skipIf(onCuda).each([
  ["moved", "takes a tensor that has moved"],
  ["reads", "reads a number of the device"],
  ["copies", "copies between the host and the device"],
  ["more", "launches more kernels"],
  ["fewer", "launches fewer kernels"],
] as const)("work that a graph would replay wrongly is E_CUDA: %s", async (misuse, text) => {
  const replayed = testing.replayGraph(misuse);
  await expect(replayed).rejects.toMatchObject({ code: "E_CUDA" });
  await expect(replayed).rejects.toThrow(text);
});
