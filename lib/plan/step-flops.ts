// Arithmetic of one training step: which passes it makes over which groups, and what a backward pass adds to a forward.
import { needsAugLogProbs } from "../algorithm/loss-spec.ts";
import type { AlgorithmConfig, RunConfig } from "../config/schema.ts";
import {
  addFlops,
  groupRows,
  languageFlops,
  noTower,
  passFlops,
  scaleFlops,
  towerOnly,
  visionPassFlops,
  withoutTower,
} from "./flops.ts";
import type { GroupShape, PassFlops } from "./flops.ts";
import type { ModelSizes } from "./weights.ts";

/** Shares of the decoder layers and of the vision blocks, 0 to 1. */
export interface RecomputedShare {
  readonly layers: number;
  readonly blocks: number;
}

/** What an update adds to its forward pass. */
export interface UpdateCosts {
  /** What is run again in the backward pass (model.activationCheckpoint). */
  readonly recompute: RecomputedShare;
  readonly freezeVisionTower: boolean;
  /** Products of the head (headProducts). */
  readonly headProducts: number;
}

/** The passes of a step. */
export interface StepPasses {
  /** Groups from this one on have a pass for their old log-probs; the number of groups: none have. */
  readonly oldFrom: number;
  /** The reference: not run, scored, or run beside each update for a KL over the vocabulary. */
  readonly ref: "none" | "scored" | "beside";
  /** The masked pictures: not run, scored without gradient, or a second branch of the update. */
  readonly aug: "none" | "scored" | "trained";
  /** Each response has a masked picture, and so a prompt, of its own. */
  readonly augPerResponse: boolean;
  readonly update: UpdateCosts;
  /** Updates over the same groups. */
  readonly epochs: number;
}

/** FLOP of each phase of a step. */
export interface StepFlops {
  readonly prefill: PassFlops;
  readonly decode: PassFlops;
  readonly old: PassFlops;
  readonly ref: PassFlops;
  readonly aug: PassFlops;
  readonly update: PassFlops;
}

/**
 * As native/rl/update.cc has it: where the loss is a sum of one function of each token's log-prob, the head's gradient
 * is formed while the logits are there (3 products), else logits are formed again in the backward pass (4). A KL over
 * the vocabulary does that once more, on each branch of the policy that it compares; the masked branch's log-probs are
 * then scored alone, unless its entropy has a coefficient. With a trained masked branch the mean of the two.
 */
export function headProducts(algorithm: AlgorithmConfig, trainedAug: boolean): number {
  const { policyLoss, entropy, klPrcp } = algorithm;
  const ofOneToken = policyLoss === "ppo" && entropy.kind === "sampled";
  const fullPrcp = klPrcp.enabled && klPrcp.estimator === "full";
  const fullRef = hasFullRef(algorithm);
  if (ofOneToken && !(klPrcp.enabled && klPrcp.tokenTopP !== null) && !trainedAug && !fullRef) return 3;
  const plain = 4 + (fullPrcp ? 4 : 0) + (fullRef ? 4 : 0);
  const masked = fullPrcp ? 4 + (entropy.augCoef > 0 ? 4 : 1) : 4;
  return trainedAug ? (plain + masked) / 2 : plain;
}

function hasFullRef({ klRef }: AlgorithmConfig): boolean {
  return klRef.mode === "loss" && klRef.estimator === "full";
}

/**
 * The passes of a run's step over `numGroups` groups. While the weights are still the rollout's, old is the new log-prob
 * without its gradient, so the groups of the first optimizer step need no pass of their own; a KL in the reward needs
 * the old log-probs of all, and so do further epochs; the rollout's own need no pass. Source: lib/trainer/score-step.ts.
 */
export function papoPasses(
  { model, algorithm, aug, optim }: RunConfig,
  numGroups: number,
  recompute: RecomputedShare,
): StepPasses {
  const all = algorithm.klRef.mode === "reward" || algorithm.epochs > 1;
  const scored = algorithm.oldLogProbs === "scored";
  const augmented = needsAugLogProbs(algorithm);
  const trained = augmented && aug.grad === "recompute";
  return {
    oldFrom: !scored ? numGroups : all ? 0 : Math.min(numGroups, optim.globalBatchSize),
    ref: algorithm.klRef.mode === "off" ? "none" : hasFullRef(algorithm) ? "beside" : "scored",
    aug: !augmented ? "none" : trained ? "trained" : "scored",
    augPerResponse: aug.per === "response",
    update: {
      recompute,
      freezeVisionTower: model.freezeVisionTower,
      headProducts: headProducts(algorithm, trained),
    },
    epochs: algorithm.epochs,
  };
}

/**
 * Forward and backward pass: a product's backward is two products, attention's backward twice its forward, and pixels
 * need no gradient. A frozen vision tower has no backward pass at all.
 */
export function updateFlops(forward: PassFlops, costs: UpdateCosts): PassFlops {
  const [layers, blocks] = [3 + costs.recompute.layers, 3 + costs.recompute.blocks];
  const factors = { patchEmbed: 2, visionLinear: blocks, visionAttention: blocks, merger: 3 };
  const vision = costs.freezeVisionTower ? { patchEmbed: 1, visionLinear: 1, visionAttention: 1, merger: 1 } : factors;
  const all = { ...vision, body: layers, attention: layers, head: costs.headProducts };
  return scaleFlops(forward, (part) => all[part]);
}

/** A prompt's own pass: the tower, the prompt's rows, and one row of the head, from which all responses start. */
export function prefillFlops(model: ModelSizes, groups: readonly GroupShape[]): PassFlops {
  return addFlops(
    groups.map((group) => ({
      ...visionPassFlops(model.vision, group.grids),
      ...languageFlops(model, {
        rows: group.promptTokens,
        predicting: 1,
        pairs: groupRows(group).promptPairs,
        headRows: 1,
      }),
    })),
  );
}

/** Every token but a response's last is fed once; no logits are formed from the last. */
export function decodeFlops(model: ModelSizes, groups: readonly GroupShape[]): PassFlops {
  return addFlops(
    groups.map((group) => {
      const { response, responsePairs } = groupRows(group);
      const rows = { rows: response, predicting: response, pairs: responsePairs, headRows: response };
      return { ...noTower, ...languageFlops(model, rows) };
    }),
  );
}

/** Groups of one response each, as the published systems run every pass. */
export function unshared(groups: readonly GroupShape[]): GroupShape[] {
  return groups.flatMap((group) => group.responseLengths.map((length) => ({ ...group, responseLengths: [length] })));
}

/** Beside an update logits are formed there and in the backward pass, in every epoch. */
function refFlops(forward: PassFlops, { ref, epochs }: StepPasses): PassFlops {
  const times = { none: 0, scored: 1, beside: epochs }[ref];
  return scaleFlops(forward, (part) => (ref === "beside" && part === "head" ? 2 * times : times));
}

/**
 * FLOP of one step over its groups, in their order. A tower runs once a picture for the weights that it has: scoring has
 * the plain pictures' embeddings from the rollout, and of a frozen tower so have the reference, which is taken to have
 * the same one, and the update, which keeps the masked pictures' from epoch to epoch (as far as there is room for them:
 * native/image/embeds_cache.h).
 */
export function stepFlops(model: ModelSizes, groups: readonly GroupShape[], passes: StepPasses): StepFlops {
  const forward = passFlops(model, groups);
  const masked = passFlops(model, passes.augPerResponse ? unshared(groups) : groups);
  const nothing = scaleFlops(forward, () => 0);
  const { freezeVisionTower } = passes.update;
  const known = freezeVisionTower ? withoutTower : (pass: PassFlops) => pass;
  const trained = passes.aug === "trained" ? masked : nothing;
  const epoch = updateFlops(known(addFlops([forward, trained])), passes.update);
  const firstEpoch = freezeVisionTower ? towerOnly(trained) : nothing;
  return {
    prefill: prefillFlops(model, groups),
    decode: decodeFlops(model, groups),
    old: withoutTower(passFlops(model, groups.slice(passes.oldFrom))),
    ref: refFlops(known(forward), passes),
    aug: passes.aug === "scored" ? masked : nothing,
    update: addFlops([scaleFlops(epoch, () => passes.epochs), firstEpoch]),
  };
}
