// samples/step-000120.jsonl: some groups of a step in full, one line a response, for people to read; of a validation
// samples/val-step-000120.jsonl.
import { join } from "node:path";
import type { FinishReason, Reward, RewardedGroup } from "../types.ts";
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
  /** To the reference policy, before the step, likewise; undefined where it is not measured. */
  readonly klRef?: number | undefined;
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

/**
 * A group as it is written.
 * @param trained what training knows of a response by its place in the group
 */
export function sampledGroup(
  { prompt: { example }, responses, rewards }: RewardedGroup,
  promptText: string,
  trained: (response: number) => Pick<SampledResponse, "advantage" | "klPrcp" | "klRef"> = () => ({}),
): SampledGroup {
  return {
    id: example.id,
    promptText,
    answer: example.answer,
    numImages: example.images.length,
    responses: responses.map(({ text, finishReason, ids }, response) => ({
      text,
      finishReason,
      numTokens: ids.length,
      reward: rewards[response] ?? { overall: 0 },
      ...trained(response),
    })),
  };
}

/** Indices of `limit` of `count` groups, evenly over the step and the same for the same numbers; all when fewer. */
export function pickGroups(count: number, limit: number): number[] {
  const numPicked = Math.min(count, limit);
  return Array.from({ length: numPicked }, (_, index) => Math.floor((index * count) / numPicked));
}

/**
 * Writes the step's file, replacing an earlier one.
 * @param prefix of its name: `val-` for a validation's
 * @throws {CheckpointError} when the disk is full
 */
export async function writeSamples(
  dir: string,
  step: number,
  groups: readonly SampledGroup[],
  prefix: "" | "val-" = "",
): Promise<void> {
  const lines = groups.flatMap(({ responses, ...group }) =>
    responses.map((response, index) => JSON.stringify({ step, ...group, response: index, ...flat(response) })),
  );
  await writeFileAtomic(join(dir, `${prefix}${stepName(step)}.jsonl`), lines.map((line) => `${line}\n`).join(""));
}

function flat({ reward, ...response }: SampledResponse): Record<string, unknown> {
  return {
    ...response,
    ...Object.fromEntries(Object.entries(reward).map(([part, value]) => [`reward/${part}`, value])),
  };
}

/** The groups as one text for loggers. */
export function samplesText(groups: readonly SampledGroup[]): string {
  return groups
    .flatMap(({ promptText, answer, responses }) => [
      `prompt: ${promptText}`,
      `answer: ${answer}`,
      ...responses.map(({ text, reward }) => `response: ${text}\n\nreward: ${JSON.stringify(reward)}`),
    ])
    .join("\n\n");
}
