// Settings of sampling responses and of rewarding them.
import { z } from "zod";
import { graderNames } from "../reward/grader-names.ts";
import { choice, flag, integer, integerOrMinusOne, real, text } from "./fields.ts";

const topP = () => real({ above: 0, max: 1 });
const topK = () => integerOrMinusOne("no limit");

const valSamplingSchema = z.strictObject({
  n: integer({ min: 1 }).default(1).describe("Responses a validation prompt: the n of avg@n"),
  temperature: real({ min: 0, max: 100 })
    .nullable()
    .default(null)
    .describe("0: greedy, the most likely token; null: rollout.temperature"),
  topP: topP().nullable().default(null).describe("null: rollout.topP"),
  topK: topK().nullable().default(null).describe("null: rollout.topK"),
});

export const rolloutSchema = z.strictObject({
  n: integer({ min: 1 }).default(1).describe("Responses a prompt: the group size"),
  temperature: real({ above: 0, max: 100 })
    .default(1)
    .describe("Divides the logits, in sampling and in every log-prob"),
  topP: topP().default(1).describe("Sample from the smallest set of tokens with this much probability"),
  topK: topK().default(-1).describe("Sample from the k likeliest tokens; -1: from all"),
  maxConcurrentResponses: integer({ min: 1 })
    .default(256)
    .describe("Responses decoded together; a finished one is replaced by the next"),
  val: valSamplingSchema.prefault({}).describe("Sampling in validation"),
});

const overlongSchema = z.strictObject({
  cacheLength: integer({ min: 1 }).describe(
    "The last so many tokens before data.maxResponseLength in which the penalty grows from 0 to 1",
  ),
});

export const rewardSchema = z.strictObject({
  type: text("math or a module's path")
    .default("math")
    .describe("`math`, the published format and accuracy reward, or the path of a module of yours"),
  grader: choice(graderNames)
    .default("mathruler")
    .describe("Of the math reward: mathruler, the published rules; symbolic, which compares formulas by their meaning"),
  // What a timer of Node.js can wait; above it would fire at once.
  graderTimeoutMs: integer({ min: 1, max: 2 ** 31 - 1 })
    .default(2_000)
    .describe(
      "Longest time for one comparison of the symbolic grader, milliseconds; an answer that takes more is wrong",
    ),
  formatWeight: real({ min: 0, max: 1 })
    .default(0.1)
    .describe("Share of the format part of the math reward; the rest is the accuracy part"),
  thinking: flag()
    .default(false)
    .describe("The chat template already writes the opening <think>, so the response need not"),
  timeoutMs: integer({ min: 1, max: 2 ** 31 - 1 })
    .default(60_000)
    .describe("Longest time for one call of the reward, milliseconds"),
  kwargs: z
    .record(z.string(), z.unknown(), { error: "expected a map" })
    .default({})
    .describe("Passed to a module of yours as it is"),
  overlong: overlongSchema
    .nullable()
    .default(null)
    .describe("Soft length penalty of the DAPO paper; null: none, as in every published run"),
});
