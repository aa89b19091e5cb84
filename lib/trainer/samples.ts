// samples/step-000120.jsonl: some groups of a step in full, one line a response, for people to read, and their pictures
// in samples/step-000120/; of a validation samples/val-step-000120.jsonl and its folder.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { FinishReason, Response, Reward, RewardedGroup } from "../types.ts";
import { stepName } from "./checkpoint-store.ts";
import { diskError, writeFileAtomic } from "./durable-file.ts";
import type { SampledPicture } from "./sample-pictures.ts";

/** A response token by token, under the weights that sampled it; nats, rounded to four decimals. */
export interface SampledTokens {
  /** [R] texts that make up the response, special tokens included. */
  readonly tokens: readonly string[];
  /** [R] */
  readonly logProbs: readonly number[];
  /** [R] on the masked picture; absent where it was not scored. */
  readonly maskedLogProbs?: readonly number[];
}

export interface SampledResponse extends Partial<SampledTokens> {
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
  readonly pictures: readonly SampledPicture[];
  readonly responses: readonly SampledResponse[];
}

/**
 * A group as it is written.
 * @param shown its prompt for people
 * @param trained what training knows of a response by its place in the group
 */
export function sampledGroup(
  { prompt: { example }, responses, rewards }: RewardedGroup,
  shown: Pick<SampledGroup, "promptText" | "pictures">,
  trained: (
    response: number,
  ) => Pick<SampledResponse, "advantage" | "klPrcp" | "klRef" | keyof SampledTokens> = () => ({}),
): SampledGroup {
  return {
    id: example.id,
    ...shown,
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

/**
 * A response's tokens as they are written.
 * @param masked its log-probs on the masked picture
 */
export function sampledTokens(
  response: Response | undefined,
  masked: Float64Array | undefined,
  tokenTexts: (ids: Int32Array) => string[],
): Partial<SampledTokens> {
  if (!response) return {};
  const { ids, logProbs } = response;
  return {
    tokens: tokenTexts(ids),
    logProbs: Array.from(logProbs, rounded),
    ...(masked ? { maskedLogProbs: Array.from(masked, rounded) } : {}),
  };
}

function rounded(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}

/** Indices of `limit` of `count` groups, evenly over the step and the same for the same numbers; all when fewer. */
export function pickGroups(count: number, limit: number): number[] {
  const numPicked = Math.min(count, limit);
  return Array.from({ length: numPicked }, (_, index) => Math.floor((index * count) / numPicked));
}

/**
 * Writes the step's file and pictures, replacing earlier ones.
 * @param prefix of its name: `val-` for a validation's
 * @throws {CheckpointError} when the disk is full
 */
export async function writeSamples(
  dir: string,
  step: number,
  groups: readonly SampledGroup[],
  prefix: "" | "val-" = "",
): Promise<void> {
  const name = `${prefix}${stepName(step)}`;
  const pictures = await writePictures(dir, name, groups);
  const lines = groups.flatMap(({ responses, ...group }, place) =>
    responses.map((response, index) =>
      JSON.stringify({ step, ...group, pictures: pictures[place], response: index, ...flat(response) }),
    ),
  );
  await writeFileAtomic(join(dir, `${name}.jsonl`), lines.map((line) => `${line}\n`).join(""));
}

/** Names of a picture's files, relative to samples/: a masked one for the group, or one for each response. */
export interface PictureFiles {
  readonly plain: string;
  readonly masked: readonly string[];
}

/** [groups][pictures]; before the lines that name them. */
async function writePictures(dir: string, name: string, groups: readonly SampledGroup[]): Promise<PictureFiles[][]> {
  const folder = join(dir, name);
  try {
    await rm(folder, { recursive: true, force: true });
    if (groups.some(({ pictures }) => pictures.length > 0)) await mkdir(folder);
    const write = async (file: string, picture: Uint8Array): Promise<string> => {
      await writeFile(join(folder, file), picture);
      return `${name}/${file}`;
    };
    return await Promise.all(
      groups.map(({ pictures }, group) =>
        Promise.all(
          pictures.map(async ({ plain, masked }, index) => ({
            plain: await write(`${group}-${index}.webp`, plain),
            masked: await Promise.all(
              masked.map((picture, response) => write(`${group}-${index}-masked-${response}.webp`, picture)),
            ),
          })),
        ),
      ),
    );
  } catch (error) {
    throw diskError(dir, error);
  }
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
