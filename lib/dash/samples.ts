// samples/ of a run folder: which files there are, and what a file says, whoever wrote it.
import type { SampleFile, SampleGroup, SamplePicture, SampleResponse } from "./api.ts";
import { namesInside, readInside } from "../run-folders/folder-files.ts";
import { type Fields, isFields, list, number, parseFields, text } from "./read-fields.ts";

const maxFileBytes = 64 * 2 ** 20;
const fileName = /^(?<name>(?<val>val-)?step-(?<step>\d{1,12}))\.jsonl$/u;
/** The only names of pictures that are ever looked for. */
const pictureName = /^(?:val-)?step-\d{1,12}\/[\w-]{1,100}\.(?:webp|png|jpg)$/u;
const rewardPrefix = "reward/";

export function isSampleName(name: string): boolean {
  return fileName.test(`${name}.jsonl`);
}

export function isPictureName(name: string): boolean {
  return pictureName.test(name);
}

/** In order of steps, validation after training. */
export async function sampleFiles(folder: string): Promise<SampleFile[]> {
  const names = await namesInside(folder, "samples");
  return names
    .flatMap((file): SampleFile[] => {
      const { name, val, step } = fileName.exec(file)?.groups ?? {};
      if (name === undefined) return [];
      return [{ name, step: Number(step), kind: val === undefined ? "training" : "validation" }];
    })
    .sort((a, b) => a.step - b.step || a.kind.localeCompare(b.kind));
}

/**
 * The groups of a file; lines that are no response are counted.
 * @param name as isSampleName takes it
 * @throws {RefusedFileError} for a file that is too large or elsewhere
 */
export async function readSamples(
  folder: string,
  name: string,
): Promise<{ groups: SampleGroup[]; numBadLines: number }> {
  const content = (await readInside(folder, `samples/${name}.jsonl`, maxFileBytes)).toString("utf8");
  const groups = new Map<string, SampleGroup & { responses: SampleResponse[] }>();
  let numBadLines = 0;
  for (const line of content.split("\n").filter((part) => part.trim() !== "")) {
    const fields = parseFields(line);
    if (fields === undefined || typeof fields["text"] !== "string") {
      numBadLines += 1;
      continue;
    }
    const group = groupOf(fields);
    const key = JSON.stringify([group.id, group.promptText]);
    const known = groups.get(key) ?? group;
    known.responses.push(responseOf(fields));
    groups.set(key, known);
  }
  return { groups: [...groups.values()], numBadLines };
}

function groupOf(fields: Fields): SampleGroup & { responses: SampleResponse[] } {
  return {
    id: text(fields["id"]),
    promptText: text(fields["promptText"]),
    answer: text(fields["answer"]),
    numImages: number(fields["numImages"]) ?? 0,
    pictures: list(fields["pictures"], pictureOf),
    responses: [],
  };
}

function pictureOf(value: unknown): SamplePicture | undefined {
  if (!isFields(value)) return undefined;
  const name = (entry: unknown) => (typeof entry === "string" && isPictureName(entry) ? entry : undefined);
  const plain = name(value["plain"]);
  return plain === undefined ? undefined : { plain, masked: list(value["masked"], name) };
}

function responseOf(fields: Fields): SampleResponse {
  const rewards = Object.entries(fields).flatMap(([key, value]): [string, number][] => {
    const reward = number(value);
    return key.startsWith(rewardPrefix) && reward !== null ? [[key.slice(rewardPrefix.length), reward]] : [];
  });
  return {
    text: text(fields["text"]),
    finishReason: text(fields["finishReason"]),
    numTokens: number(fields["numTokens"]),
    advantage: number(fields["advantage"]),
    klPrcp: number(fields["klPrcp"]),
    klRef: number(fields["klRef"]),
    reward: Object.fromEntries(rewards),
    ...tokensOf(fields),
  };
}

/** All or nothing: lists of different lengths belong to no tokens. */
function tokensOf(fields: Fields): Pick<SampleResponse, "tokens" | "logProbs" | "maskedLogProbs"> {
  const tokens = list(fields["tokens"], (entry) => (typeof entry === "string" ? entry : undefined));
  const numbers = (value: unknown) => list(value, (entry) => number(entry) ?? undefined);
  const logProbs = numbers(fields["logProbs"]);
  const maskedLogProbs = numbers(fields["maskedLogProbs"]);
  if (tokens.length !== logProbs.length) return { tokens: [], logProbs: [], maskedLogProbs: [] };
  return { tokens, logProbs, maskedLogProbs: maskedLogProbs.length === tokens.length ? maskedLogProbs : [] };
}
