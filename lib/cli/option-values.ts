// Values of command line options: numbers in their range, and settings that several commands share.
import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { graderNames } from "../reward/grader-names.ts";

/** Parses a number from `min` to `max`; a usage error says which. */
export function numberIn(min: number, max: number) {
  return (text: string): number =>
    parse(text, `a number from ${min} to ${max}`, (value) => value >= min && value <= max);
}

/** Parses a number above 0 and at most 1. */
export function share(text: string): number {
  return parse(text, "a number > 0 and <= 1", (value) => value > 0 && value <= 1);
}

/** Parses an integer from `min` on. */
export function integerFrom(min: number, max = Number.MAX_SAFE_INTEGER) {
  const rule = max === Number.MAX_SAFE_INTEGER ? `an integer >= ${min}` : `an integer from ${min} to ${max}`;
  return (text: string): number =>
    parse(text, rule, (value) => Number.isSafeInteger(value) && value >= min && value <= max);
}

/** Parses an integer >= 1, or -1. */
export function countOrMinusOne(text: string): number {
  return parse(text, "an integer >= 1, or -1", (value) => Number.isSafeInteger(value) && (value >= 1 || value === -1));
}

function parse(text: string, rule: string, holds: (value: number) => boolean): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (holds(value)) return value;
  throw new InvalidArgumentError(`Expected ${rule}.`);
}

/** How answers are compared. */
export const graderOption = () =>
  new Option("--grader <name>", "mathruler: the published rules; symbolic: formulas by their meaning")
    .choices(graderNames)
    .default("mathruler" as const);

/** Options of every command that samples from a model. */
export const samplingOptions = {
  n: () => new Option("--n <count>", "responses a prompt").argParser(integerFrom(1)).default(1),
  topP: () =>
    new Option("--top-p <share>", "sample from the smallest set of tokens with this much probability")
      .argParser(share)
      .default(1),
  topK: () =>
    new Option("--top-k <count>", "sample from the k likeliest tokens; -1: all").argParser(countOrMinusOne).default(-1),
  maxTokens: (tokens: number) =>
    new Option("--max-tokens <count>", "longest response").argParser(integerFrom(1, 2 ** 20)).default(tokens),
  seed: () => new Option("--seed <integer>", "root of the random numbers").argParser(integerFrom(0)).default(0),
  formatPrompt: () =>
    new Option("--format-prompt <name>", "jinja file around the prompt, or the built-in math_perception"),
  system: () => new Option("--system <text>", "system message in place of the chat template's default"),
  minPixels: () =>
    new Option("--min-pixels <count>", "enlarge smaller pictures to this first, as the run's data.minPixels").argParser(
      integerFrom(1, 2 ** 40),
    ),
  maxPixels: () =>
    new Option("--max-pixels <count>", "reduce larger pictures to this first, as the run's data.maxPixels").argParser(
      integerFrom(1, 2 ** 40),
    ),
  dtype: () =>
    new Option("--dtype <type>", "type of the weights in memory (default: bfloat16 where the checkpoint is)").choices([
      "float32",
      "bfloat16",
    ] as const),
  device: () =>
    new Option("--device <name>", "where the weights are and the passes run; cuda needs a CUDA build")
      .choices(["cpu", "cuda"] as const)
      .default("cpu" as const),
  threads: () => new Option("--threads <count>", "threads of libtorch").argParser(integerFrom(1, 1024)),
};

/** Options of commands that read a data set's columns. */
export const columnOptions = {
  promptKey: () => new Option("--prompt-key <column>", "the question").default("problem"),
  answerKey: () => new Option("--answer-key <column>", "the ground truth").default("answer"),
  imageKey: () => new Option("--image-key <column>", "the list of pictures").default("images"),
  idKey: () => new Option("--id-key <column>", "the row's unique id").default("id"),
  imageDir: () =>
    new Option("--image-dir <dir>", "folder that relative picture paths start from (default: the data file's)"),
};

/** Options of commands that mask pictures: how the masked branch of the perception loss does. */
export const maskOptions = {
  ratio: () => new Option("--ratio <number>", "share of cells that are masked").argParser(numberIn(0, 1)).default(0.6),
  exact: () => new Option("--exact", "mask exactly floor(ratio x cells), in place of each cell with that chance"),
  patchPx: () => new Option("--patch-px <pixels>", "side of a cell").argParser(integerFrom(1, 65_536)).default(14),
  mode: () =>
    new Option("--mode <mode>", "cells on the decoded picture, or on the model's patches")
      .choices(["raw", "patch"] as const)
      .default("raw" as const),
  fill: () =>
    new Option("--fill <fill>", "what masked cells become")
      .choices(["black", "mean", "noise"] as const)
      .default("black" as const),
};
