// The miniature world as data sets: an endless, seeded list of items per split, given as Examples in memory or written
// as JSONL and PNG files that any command reads like a user's own data.
import { createWriteStream } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import sharp from "sharp";
import { z } from "zod";
import { DataError } from "../errors.ts";
import type { Example } from "../types.ts";
import { askQuestion, goldResponse, questionKinds, textualHint } from "./questions.ts";
import type { Question, QuestionKind } from "./questions.ts";
import { RandomStream } from "./random.ts";
import { makeScene, renderScene } from "./scene.ts";
import type { Scene, SceneOptions } from "./scene.ts";
import { cellPixels, loadSheet } from "./sheet.ts";

/** A data set of the miniature world. */
export interface MiniatureOptions extends SceneOptions {
  /** Number of rows. */
  readonly count: number;
  /** Drawn from uniformly; one named twice comes twice as often. Default all. */
  readonly kinds?: readonly QuestionKind[];
  /** Share of the rows, in [0, 1], whose question also holds the digits that it is about in words; default 0. */
  readonly hintShare?: number;
}

export interface MiniatureItem {
  /** `mini-<split>-<seed>-<index>`. */
  readonly id: string;
  readonly scene: Scene;
  readonly question: Question;
  /** Whether the row's text also tells the digits. */
  readonly hinted: boolean;
}

/** Shares are told apart in steps of 1 / hintSteps. */
const hintSteps = 1_000_000;

/** The items of a data set in order: item i is a function of the options without `count`, and of i. */
export function* miniatureItems(options: MiniatureOptions): Generator<MiniatureItem> {
  const { kinds = questionKinds, hintShare = 0 } = options;
  for (let index = 0; index < options.count; index++) {
    const scene = makeScene(options, index);
    const random = new RandomStream("question", options.split, options.seed, index);
    const question = askQuestion(random.pick(kinds), scene, random);
    const hinted = random.below(hintSteps) < hintShare * hintSteps;
    yield { id: `mini-${options.split}-${options.seed}-${String(index).padStart(6, "0")}`, scene, question, hinted };
  }
}

/** The data set as Examples with their pictures as PNG bytes; `extra` is what the rows of writeMiniature hold. */
export async function* miniatureExamples(options: MiniatureOptions): AsyncGenerator<Example> {
  let index = 0;
  for await (const { item, png } of withPictures(options)) {
    const { id, problem, answer, response, ...extra } = rowOf(item);
    yield { id, problem, answer, response, images: [{ bytes: png }], file: "miniature", row: ++index, extra };
  }
}

/**
 * Writes `<dir>/<split>.jsonl` and `<dir>/images/<id>.png`; gives the JSONL file's path. Rows hold id, problem, answer,
 * images, response (the gold one, for supervised training), grid (for people) and question (for classifyResponse).
 */
export async function writeMiniature(dir: string, options: MiniatureOptions): Promise<string> {
  await mkdir(join(dir, "images"), { recursive: true });
  const file = join(dir, `${options.split}.jsonl`);
  const lines = createWriteStream(file);
  for await (const { item, png } of withPictures(options)) {
    const image = `images/${item.id}.png`;
    await writeFile(join(dir, image), png);
    lines.write(`${JSON.stringify({ ...rowOf(item), images: [image] })}\n`);
  }
  lines.end();
  await finished(lines);
  return file;
}

function rowOf({ id, scene, question, hinted }: MiniatureItem) {
  return {
    id,
    problem: `<image>${question.text}${hinted ? ` ${textualHint(question)}` : ""}`,
    answer: question.answer,
    response: goldResponse(question),
    kind: question.kind,
    grid: Array.from({ length: scene.rows }, (_, row) =>
      scene.digits.slice(row * scene.columns, (row + 1) * scene.columns).join(" "),
    ),
    question,
  };
}

/** Encodes a few pictures at a time: sharp works on its own threads, and memory stays small. */
async function* withPictures(options: MiniatureOptions): AsyncGenerator<{ item: MiniatureItem; png: Uint8Array }> {
  const sheet = await loadSheet();
  const batch: MiniatureItem[] = [];
  const encode = () =>
    Promise.all(batch.splice(0).map(async (item) => ({ item, png: await toPng(item.scene, sheet) })));
  for (const item of miniatureItems(options)) {
    batch.push(item);
    if (batch.length === 64) yield* await encode();
  }
  yield* await encode();
}

function toPng(scene: Scene, sheet: Uint8Array): Promise<Uint8Array> {
  const raw = { width: scene.columns * cellPixels, height: scene.rows * cellPixels, channels: 3 as const };
  return sharp(renderScene(scene, sheet), { raw }).png({ compressionLevel: 6 }).toBuffer();
}

const questionRow = z.object({
  kind: z.enum(questionKinds),
  text: z.string(),
  seen: z.array(z.int().min(0).max(9)).min(1),
  groupSize: z.int().min(1),
  target: z.int().min(0).max(9).exactOptional(),
  answer: z.string(),
});

/**
 * The question of a row of this world, for classifyResponse.
 * @throws {DataError} when the row is not one of writeMiniature's or miniatureExamples'
 */
export function questionOf(example: Example): Question {
  const parsed = questionRow.safeParse(example.extra.question);
  if (parsed.success) return parsed.data;
  throw new DataError(example.file, example.row, `not a row of the miniature world: ${z.prettifyError(parsed.error)}`);
}
