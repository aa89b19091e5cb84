// samples/step-000120.jsonl: some groups of a step in full, one line a response, for people to read.
import { join } from "node:path";
import type { FinishReason, Reward } from "../types.ts";
import { stepName } from "./checkpoint-store.ts";
import { writeFileAtomic } from "./durable-file.ts";

export interface SampledResponse {
  readonly text: string;
  readonly finishReason: FinishReason;
  readonly numTokens: number;
  readonly reward: Reward;
  /** Unitless; undefined where nothing is trained (validation). */
  readonly advantage?: number | undefined;
  /** Mean over its tokens in nats; undefined without a perception term. */
  readonly klPrcp?: number | undefined;
}

export interface SampledGroup {
  /** Of the example. */
  readonly id: string;
  /** What the policy was given, special tokens included, image tokens as one mark each. */
  readonly promptText: string;
  /** The ground truth. */
  readonly answer: string;
  readonly numImages: number;
  readonly responses: readonly SampledResponse[];
}

/** Indices of `limit` of `count` groups, evenly over the step and the same for the same numbers; all when fewer. */
export function pickGroups(count: number, limit: number): number[] {
  const numPicked = Math.min(count, limit);
  return Array.from({ length: numPicked }, (_, index) => Math.floor((index * count) / numPicked));
}

/**
 * Writes the step's file, replacing an earlier one.
 * @throws {CheckpointError} when the disk is full
 */
export async function writeSamples(dir: string, step: number, groups: readonly SampledGroup[]): Promise<void> {
  const lines = groups.flatMap(({ responses, ...group }) =>
    responses.map((response, index) => JSON.stringify({ step, ...group, response: index, ...flat(response) })),
  );
  await writeFileAtomic(join(dir, `${stepName(step)}.jsonl`), lines.map((line) => `${line}\n`).join(""));
}

function flat({ reward, ...response }: SampledResponse): Record<string, unknown> {
  return {
    ...response,
    ...Object.fromEntries(Object.entries(reward).map(([part, value]) => [`reward/${part}`, value])),
  };
}
