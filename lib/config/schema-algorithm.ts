// Settings of the objective: advantage, policy loss, KL terms, entropy terms, filtering, and the masked picture.
import { z } from "zod";
import { choice, flag, integer, real, text } from "./fields.ts";

/** Advantage estimators that divide a prompt's responses into a baseline and so need two or more of them. */
export const groupAdvantages = ["grpo", "dapo", "rloo", "dr_grpo"] as const;

const estimators = ["k1", "abs", "mse", "k3", "full"] as const;
const estimatorText =
  "KL estimator: k1 x - y, abs |x - y|, mse (x - y)^2 / 2, k3 e^(y-x) - (y-x) - 1 with both clamps; full: the KL itself, " +
  "over the vocabulary, ";

const advantageNames = ["grpo", "dapo", "rloo", "reinforce_plus_plus", "remax", "dr_grpo"] as const;
const advantageSchema = z.enum(advantageNames, {
  error: ({ input }) =>
    input === "gae"
      ? `gae needs a critic, which papo does not have; choose one of ${advantageNames.join(", ")}`
      : `expected one of ${advantageNames.join(", ")}`,
});

const klRefSchema = z.strictObject({
  mode: choice(["off", "loss", "reward"])
    .default("reward")
    .describe("Where the KL to the frozen initial policy goes; off: no reference is held"),
  estimator: choice(estimators).default("k1").describe(`${estimatorText}in mode loss`),
  coef: real({ min: 0 }).default(1e-3).describe("beta: weight of the term, or of the penalty on the reward"),
  type: choice(["fixed", "adaptive"]).default("fixed").describe("Controller of coef in mode reward"),
  horizon: real({ above: 0 }).default(10_000).describe("Adaptive controller: responses until coef has followed"),
  target: real({ above: 0 }).default(0.1).describe("Adaptive controller: KL aimed at, nats a token"),
});

const annealingSchema = z.strictObject({
  start: real({ min: 0 })
    .nullable()
    .default(null)
    .describe("Coefficient at step 1; null: klPrcp.coef (with compat: reference, 0.01)"),
  end: real({ min: 0 }).default(0).describe("Coefficient after ratio of the steps and from then on"),
  ratio: real({ above: 0, max: 1 }).default(0.5).describe("Share of the steps over which it goes from start to end"),
});

const klPrcpSchema = z.strictObject({
  enabled: flag().default(false).describe("Implicit perception loss: raise the KL to the policy on the masked picture"),
  coef: real({ min: 0 }).default(1e-3).describe("gamma: weight of the term, which is subtracted from the loss"),
  estimator: choice(estimators).default("k1").describe(`${estimatorText}with aug.grad: recompute`),
  schedule: choice(["fixed", "annealing"]).default("fixed").describe("How the weight moves over the run"),
  annealing: annealingSchema.prefault({}).describe("Line that schedule: annealing follows"),
  applyMode: choice(["all", "correct", "incorrect", "weighted"])
    .default("all")
    .describe("Responses that count; correct: accuracy > 0.1; weighted: correct 1, others incorrectWeighting"),
  incorrectWeighting: real({ min: 0 }).default(0.1).describe("Weight of an incorrect response in applyMode: weighted"),
  clipping: real({ above: 0 }).nullable().default(null).describe("Highest value a token; null: no limit"),
  tokenTopP: real({ above: 0, below: 1 })
    .nullable()
    .default(null)
    .describe("Keep this share of a response's tokens, those with the largest values; null: all"),
});

const entropySchema = z.strictObject({
  kind: choice(["sampled", "full"])
    .default("sampled")
    .describe("sampled: mean of -log prob of the sampled tokens, as published; full: entropy over the vocabulary"),
  augCoef: real({ min: 0 }).default(0).describe("eta 2: weight on the masked picture; acts with aug.grad: recompute"),
  oriCoef: real({ min: 0 }).default(0).describe("eta 1: weight on the original picture"),
});

const filterSchema = z.strictObject({
  enabled: flag().default(false).describe("Dynamic sampling: generate until enough groups are informative"),
  key: text("a reward part's name").default("overall").describe("Reward part whose group mean decides"),
  low: real({}).default(0.01).describe("A group is kept when its mean is above this"),
  high: real({}).default(0.99).describe("and below this"),
  maxTries: integer({}).default(20).describe("Generation rounds a step before training stops; <= 0: no limit"),
});

export const algorithmSchema = z.strictObject({
  advantage: advantageSchema.default("grpo").describe("Advantage estimator"),
  policyLoss: choice(["ppo", "gspo"]).default("ppo").describe("Ratio per token (ppo) or per response (gspo)"),
  lossAvgMode: choice(["token", "seq", "reference", "dr_grpo"])
    .nullable()
    .default(null)
    .describe(
      "token: mean over the optimizer batch's tokens; seq: mean of response means; reference: mean of micro-batch token " +
        "means; dr_grpo: sum / (responses x data.maxResponseLength); null: token (with compat: reference, reference)",
    ),
  clipRatioLow: real({ above: 0, below: 1 }).default(0.2).describe("PPO: ratio is clipped at 1 - this"),
  clipRatioHigh: real({ above: 0 }).default(0.3).describe("PPO: ratio is clipped at 1 + this"),
  clipRatioDual: real({ above: 1 }).default(3).describe("Dual clip: bound on the loss at negative advantage"),
  gspo: z
    .strictObject({
      clipRatioLow: real({ above: 0, below: 1 }).default(3e-4).describe("Response ratio is clipped at 1 - this"),
      clipRatioHigh: real({ above: 0 }).default(4e-4).describe("Response ratio is clipped at 1 + this"),
    })
    .prefault({})
    .describe("Clips of policyLoss: gspo"),
  epochs: integer({ min: 1 }).default(1).describe("Passes over a step's rollout batch"),
  oldLogProbs: choice(["scored", "rollout"])
    .default("scored")
    .describe(
      "Where the ratio's old log-probs come from: scored in a pass of their own, or the rollout's own, which saves that " +
        "pass (rollout/log_prob_diff_* says how far the two are apart)",
    ),
  klRef: klRefSchema.prefault({}).describe("KL to the reference"),
  klPrcp: klPrcpSchema.prefault({}).describe("Implicit perception loss (PAPO)"),
  entropy: entropySchema.prefault({}).describe("Double entropy loss; both terms are minimised"),
  sft: z
    .strictObject({
      coef: real({ min: 0 }).default(0).describe("Weight of the mean -log prob of correct responses; 0: off"),
    })
    .prefault({})
    .describe("Supervised term on correct responses"),
  filter: filterSchema.prefault({}).describe("Dynamic sampling (DAPO)"),
});

const saliencySchema = z.strictObject({
  model: text("a folder or a hub id, or null")
    .nullable()
    .default(null)
    .describe("DINOv2 whose attention is the saliency; null: the vision tower of model.path"),
  layers: z
    .array(integer({ min: 0 }), { error: "expected a list of integers >= 0, or null" })
    .min(1, { error: "expected one layer or more, or null" })
    .nullable()
    .default(null)
    .describe("Layers, from 0, over which it is averaged; null: 6, 7, 8, 9, or the tower's blocks with full attention"),
  cache: text("a file's name, or null")
    .nullable()
    .default(null)
    .describe("File that keeps each picture's ranking; null: one beside data.train, named after model and layers"),
});

export const augSchema = z.strictObject({
  grad: choice(["none", "recompute"])
    .default("none")
    .describe(
      "none: the masked branch is constant, with pre-update weights, as published; recompute: it has a gradient",
    ),
  strategy: choice(["random", "saliency"])
    .default("random")
    .describe(
      "random: drawn cells; saliency: the patches that most attention goes to, floor(ratio x patches) of each picture",
    ),
  saliency: saliencySchema.prefault({}).describe("Where strategy: saliency has it from"),
  mode: choice(["raw", "patch"])
    .default("raw")
    .describe("raw: cells of the decoded picture before resizing, as published; patch: the model's own patches"),
  patchPx: integer({ min: 1 }).default(14).describe("Side of a cell, pixels"),
  ratio: real({ min: 0, max: 1 }).default(0.6).describe("Share of cells that are masked"),
  exact: flag().default(false).describe("Mask exactly floor(ratio x cells) of them, in place of each with that chance"),
  per: choice(["prompt", "response"]).default("prompt").describe("One masked picture a prompt, or one a response"),
  fill: choice(["black", "mean", "noise"])
    .default("black")
    .describe("What masked cells become: black, the normalisation's mean, or N(0, 1) noise after it"),
});
