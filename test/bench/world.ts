// A tiny checkpoint and workloads for the benchmarks' tests.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { onTestFinished } from "vitest";
import { loadWorkload } from "../../lib/bench/workload.ts";
import { packageRoot } from "../../lib/native/load.ts";
import { readModelConfig } from "../../lib/policy/model-config.ts";
import { readImageSpec } from "../../lib/processor/image-size.ts";
import { releasePrompt } from "../../lib/processor/processor.ts";
import type { Prompt } from "../../lib/types.ts";
import { tempFolder } from "../support/temp.ts";

export const model = join(packageRoot, "lib", "policy", "fixture");
export const config = await readModelConfig(model);
const imageSpec = await readImageSpec(model, { trainerMinPixels: 0, trainerMaxPixels: 0 });

export interface WorkloadPrompt {
  readonly input_ids: readonly number[];
  readonly images?: readonly string[];
}

/** Text, and a picture of 84 x 56 pixels, which is 6 image tokens. */
export const ids = [3, 17, config.visionStartTokenId, ...Array<number>(6).fill(config.imageTokenId), 9];

/** A workload file in a folder of its own, with the picture a.png. */
export async function writeWorkload(prompts: readonly WorkloadPrompt[]): Promise<string> {
  const folder = tempFolder();
  const rgb = Uint8Array.from({ length: 84 * 56 * 3 }, (_, index) => (index * 37) % 251);
  await sharp(rgb, { raw: { width: 84, height: 56, channels: 3 } })
    .png()
    .toFile(join(folder, "a.png"));
  const file = join(folder, "workload.json");
  writeFileSync(file, JSON.stringify({ prompts }));
  return file;
}

/** Two prompts with the picture and one without. */
export async function smallWorkload(): Promise<string> {
  return await writeWorkload([
    { input_ids: ids, images: ["a.png"] },
    { input_ids: [11, 12, 13, 14, 15, 16, 17] },
    { input_ids: [...ids, 5], images: ["a.png"] },
  ]);
}

/** The prompts, released when the test ends. */
export async function load(file: string): Promise<Prompt[]> {
  const prompts = await loadWorkload(file, config, imageSpec);
  onTestFinished(() => {
    prompts.forEach(releasePrompt);
  });
  return prompts;
}
