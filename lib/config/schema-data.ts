// Settings of what goes in: the policy's checkpoint, the data sets and how a row becomes a prompt.
import { z } from "zod";
import { choice, flag, flagOrAuto, integer, integerOrMinusOne, real, text } from "./fields.ts";

export const modelSchema = z.strictObject({
  path: text("a checkpoint folder or a Hugging Face model id").describe(
    "Checkpoint of the policy: a folder in the hub's layout, or a Hugging Face model id",
  ),
  tokenizerPath: text("a folder or a Hugging Face model id, or null")
    .nullable()
    .default(null)
    .describe("Folder or model id with tokenizer.json and the processor's files; null: model.path"),
  dtype: choice(["float32", "bfloat16"])
    .default("float32")
    .describe("Type of the weights in the forward and the backward pass"),
  freezeVisionTower: flag().default(false).describe("Keep the vision tower's weights as they are"),
  activationCheckpoint: flagOrAuto()
    .default("auto")
    .describe(
      "Recompute layers' activations in the backward pass: less memory, about a third more arithmetic; " +
        "auto: of as few layers as the free memory asks for",
    ),
});

const column = (fallback: string, what: string) =>
  text("a column name").default(fallback).describe(`Column with ${what}`);

export const dataSchema = z.strictObject({
  train: text("a file, a folder or a Hugging Face data set id, or null")
    .nullable()
    .default(null)
    .describe("Training set: parquet or JSONL file, folder of shards, or hub id; `path@split` picks a split"),
  val: text("a file, a folder or a Hugging Face data set id, or null")
    .nullable()
    .default(null)
    .describe("Validation set, in the same forms; null: no validation"),
  promptKey: column("prompt", "the question, with one <image> mark a picture"),
  answerKey: column("answer", "the ground truth"),
  imageKey: column("images", "the list of pictures"),
  videoKey: column("videos", "the list of videos"),
  idKey: column("id", "the row's unique id; a row without it is `<file name>:<row>`"),
  responseKey: column("response", "the target text of a supervised row (papo sft)"),
  imageDir: text("a folder, or null")
    .nullable()
    .default(null)
    .describe("Folder that relative picture paths start from; null: the data file's own folder"),
  formatPrompt: text("a jinja file or a built-in name, or null")
    .nullable()
    .default(null)
    .describe("Jinja file around the question (`content`), or the built-in `math_perception`; null: the bare question"),
  chatTemplate: text("a jinja file or template text, or null")
    .nullable()
    .default(null)
    .describe("Jinja file, or the text itself where it holds {{ or {%, in place of the checkpoint's chat template"),
  systemPrompt: text("a text, or null")
    .nullable()
    .default(null)
    .describe("System message; null: none is given, so the chat template's own default is used"),
  maxPromptLength: integer({ min: 1 })
    .default(512)
    .describe("Longest prompt in tokens, after each image mark has grown to its tokens"),
  maxResponseLength: integer({ min: 1 }).default(512).describe("Longest response in tokens"),
  rolloutBatchSize: integer({ min: 1 }).default(512).describe("Prompts a training step"),
  miniRolloutBatchSize: integer({ min: 1 })
    .nullable()
    .default(null)
    .describe("Prompts a generation round of algorithm.filter; null: data.rolloutBatchSize"),
  valBatchSize: integerOrMinusOne("the whole set").default(-1).describe("Validation prompts a batch; -1: all"),
  shuffle: flag().default(true).describe("Draw the training rows in a seeded random order"),
  minPixels: integer({ min: 1 }).default(262_144).describe("Smaller pictures are enlarged to this many pixels"),
  maxPixels: integer({ min: 1 }).default(4_194_304).describe("Larger pictures are reduced to this many pixels"),
  filterOverlongPrompts: flag().default(true).describe("Leave out prompts above data.maxPromptLength"),
  exifRotate: flag().default(false).describe("Turn pictures as their EXIF orientation says; the reference does not"),
  maxSkippedShare: real({ min: 0, max: 1 })
    .default(0.05)
    .describe("Share of unreadable rows, of those seen, past which training stops"),
});
