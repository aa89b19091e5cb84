// Settings of the optimizer and of the run: how long, what is validated, saved and written where.
import { z } from "zod";
import { choice, flag, integer, integerOrMinusOne, real, text } from "./fields.ts";

const beta = () => real({ min: 0, below: 1 });

export const optimSchema = z.strictObject({
  strategy: choice(["adamw", "adamw_bf16"])
    .default("adamw")
    .describe("adamw: float32 moments and master weights; adamw_bf16: bfloat16 moments with Kahan compensation"),
  lr: real({ min: 0 }).default(1e-6).describe("Highest learning rate"),
  betas: z
    .tuple([beta(), beta()], { error: "expected two numbers >= 0 and < 1" })
    .default([0.9, 0.999])
    .describe("Decay of the first and of the second moment"),
  eps: real({ above: 0 }).default(1e-8).describe("Added to the root of the second moment"),
  weightDecay: real({ min: 0 }).default(1e-2).describe("Decoupled: weights shrink by lr x this a step"),
  warmupRatio: real({ min: 0, max: 1 }).default(0).describe("Share of the steps over which the rate rises linearly"),
  warmupSteps: integer({ min: 0 }).nullable().default(null).describe("Warm-up in steps; null: by warmupRatio"),
  schedule: choice(["constant", "linear", "cosine"]).default("constant").describe("Learning rate after the warm-up"),
  minLrRatio: real({ min: 0, max: 1 })
    .default(0)
    .describe("Linear and cosine fall towards lr x this, which they would reach one step after the last"),
  maxGradNorm: real({ above: 0 }).default(1).describe("Gradients are scaled down to this norm"),
  maxSkippedInRow: integer({ min: 0 })
    .default(5)
    .describe("Optimizer steps in a row that a non-finite gradient may skip before training stops"),
  globalBatchSize: integer({ min: 1 }).default(256).describe("Prompts an optimizer step"),
  microBatchSize: integer({ min: 1 })
    .default(4)
    .describe("Responses a micro-batch of the published means (algorithm.lossAvgMode or compat: reference)"),
  microBatchTokens: integer({ min: 1 })
    .default(16_384)
    .describe("Tokens packed into one forward and backward pass; it changes memory and speed, never the gradient"),
});

const loggers = ["console", "jsonl", "tensorboard", "mlflow", "prometheus"] as const;
const defaultLoggers = ["console", "jsonl", "tensorboard"] as const;

const mlflowSchema = z.strictObject({
  uri: text("an address, or null").nullable().default(null).describe("Server; null: MLFLOW_TRACKING_URI"),
  experiment: text("a name, or null")
    .nullable()
    .default(null)
    .describe("Experiment, made if absent; null: MLFLOW_EXPERIMENT_NAME, or papo"),
});

const prometheusSchema = z.strictObject({
  host: text("an address of this machine").default("127.0.0.1").describe("Where /metrics is served"),
  port: integer({ min: 0, max: 65_535 }).default(9464).describe("0: a free one, which is said"),
  tokenFile: text("a file, or null")
    .nullable()
    .default(null)
    .describe("File with the token that fetching needs (Authorization: Bearer); required beyond loopback"),
});

export const trainerSchema = z.strictObject({
  totalEpochs: integer({ min: 1 }).default(15).describe("Passes over the training set"),
  maxSteps: integer({ min: 1 }).nullable().default(null).describe("Training steps; null: by totalEpochs"),
  valFreq: integerOrMinusOne("never").default(-1).describe("Validate every so many steps; -1: not while training"),
  valBeforeTrain: flag().default(true).describe("Validate before the first step"),
  valOnly: flag().default(false).describe("Validate the weights that the run would go on from, and stop"),
  saveFreq: integerOrMinusOne("only after the last step").default(-1).describe("Checkpoint every so many steps"),
  saveLimit: integerOrMinusOne("all").default(-1).describe("Checkpoints kept beside the best one; -1: all"),
  saveBest: flag()
    .default(true)
    .describe("Save and keep a checkpoint whenever the validation reward is the best so far"),
  saveModelOnly: flag().default(false).describe("Leave the optimizer out of checkpoints; such a run cannot resume"),
  outDir: text("a folder, or null").nullable().default(null).describe("Run folder; null: runs/<experimentName>"),
  experimentName: text("a name, or null")
    .nullable()
    .default(null)
    .describe("Name of the run; null: that of the recipe or of the file"),
  loggers: z
    .array(choice(loggers), { error: `expected a list of ${loggers.join(", ")}` })
    .default([...defaultLoggers])
    .describe("Where metrics go"),
  mlflow: mlflowSchema.prefault({}).describe("The logger mlflow"),
  prometheus: prometheusSchema.prefault({}).describe("The logger prometheus"),
  samplesPerStep: integer({ min: 0 }).default(4).describe("Groups a step written out whole under samples/"),
  device: choice(["cpu", "cuda"])
    .default("cpu")
    .describe("Where the weights are and the passes run; cuda needs a CUDA build and one device"),
  memoryGib: real({ above: 0 })
    .nullable()
    .default(null)
    .describe("Most GiB that tensors may take on the device; null: what is free there"),
  threads: integer({ min: 1, max: 1024 })
    .nullable()
    .default(null)
    .describe("Threads of libtorch; null: its own choice"),
});
