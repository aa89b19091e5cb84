// Settings of the collapse guard: what it does, and when a metric counts as out of line.
import { z } from "zod";
import { choice, integer, real } from "./fields.ts";

const thresholdsSchema = z.strictObject({
  klPrcp: real({ min: 1 }).default(5).describe("Perception KL: alarm above this times its running mean"),
  clipFraction: real({ min: 1 }).default(3).describe("Share of clipped tokens: likewise"),
  entropy: real({ min: 1 }).default(1.25).describe("Original and masked entropy: likewise, both at once"),
  accuracy: real({ min: 0, max: 1 })
    .default(0.95)
    .describe("Accuracy, or the overall reward: alarm below this times its mean"),
  sigmas: real({ min: 0 })
    .default(4)
    .describe("And further from the mean than so many standard errors of what the metric did before"),
});

const minimumSchema = z.strictObject({
  klPrcp: real({ above: 0 }).default(0.02).describe("Perception KL, nats: a smaller running mean counts as this"),
  clipFraction: real({ above: 0 }).default(5e-4).describe("Share of clipped tokens: likewise"),
});

const backoffSchema = z.strictObject({
  factor: real({ above: 0, below: 1 }).default(0.5).describe("The weight of the perception KL is multiplied by this"),
  floor: real({ min: 0, max: 1 }).default(0.1).describe("Lowest share of the configured weight that is left"),
});

export const guardSchema = z.strictObject({
  action: choice(["off", "warn", "backoff", "stop"])
    .default("warn")
    .describe(
      "On a collapse: warn says so; backoff also lowers the weight of the perception KL; stop saves and ends the run",
    ),
  warmupSteps: integer({ min: 0 }).default(10).describe("First steps of the run, which count for nothing"),
  window: integer({ min: 1 }).default(5).describe("A metric's level is its median over so many steps"),
  reference: integer({ min: 2 }).default(40).describe("Its running mean is over so many steps"),
  lag: integer({ min: 1 })
    .default(20)
    .describe("which end so many steps before the newest; steps out of line are left out"),
  patience: integer({ min: 1 }).default(3).describe("Steps in a row that begin an alarm, and that end it"),
  repeatSteps: integer({ min: 1 })
    .default(10)
    .describe("A collapse that lasts is acted upon again after so many steps"),
  thresholds: thresholdsSchema.prefault({}).describe("When a metric is out of line"),
  minimum: minimumSchema.prefault({}).describe("Means below which growth by a factor says nothing"),
  backoff: backoffSchema.prefault({}).describe("What action: backoff does"),
});
