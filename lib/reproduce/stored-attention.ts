// attention.json of a result folder: summary.json of a `papo attention` on the run's checkpoint, where there is one.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { readJsonFile } from "./json-result.ts";

const share = z.number().min(0).max(1).nullable();

const attentionSchema = z.looseObject({
  settingsFingerprint: z.string(),
  benchmarks: z.array(z.looseObject({ benchmark: z.string(), mean: share, median: share, numSamples: z.int().min(0) })),
});
export type StoredAttention = z.output<typeof attentionSchema>;

export const attentionFile = "attention.json";

/** @throws {DataError} when it is damaged */
export async function readStoredAttention(dir: string): Promise<StoredAttention | undefined> {
  const file = join(dir, attentionFile);
  return existsSync(file) ? await readJsonFile(file, attentionSchema) : undefined;
}
