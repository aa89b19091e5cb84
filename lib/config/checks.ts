// Rules that join two or more settings, as the reference's start-up checks and beyond.
import { isLoopback } from "../trackers/loopback.ts";
import type { Problem } from "./explain.ts";
import type { ResolvedRun } from "./schema.ts";
import { groupAdvantages } from "./schema-algorithm.ts";

type Check = (run: ResolvedRun) => false | readonly [key: string, text: string];

const needsGroup: Check = ({ rollout, algorithm }) =>
  rollout.n < 2 &&
  (groupAdvantages as readonly string[]).includes(algorithm.advantage) && [
    "rollout.n",
    `expected an integer >= 2 (algorithm.advantage ${algorithm.advantage} compares the responses to a prompt), got ${rollout.n}`,
  ];

const wholeMinibatches: Check = ({ data, optim }) =>
  data.rolloutBatchSize % optim.globalBatchSize !== 0 && [
    "data.rolloutBatchSize",
    `expected a multiple of optim.globalBatchSize (${optim.globalBatchSize}), got ${data.rolloutBatchSize}`,
  ];

/** Whether anything is averaged by micro-batch: the policy loss, or the means over tokens of compat: reference. */
export function averagesMicroBatches({ compat, algorithm }: ResolvedRun): boolean {
  return algorithm.lossAvgMode === "reference" || compat === "reference";
}

const wholeMicroBatches: Check = (run) => {
  const { optim, rollout } = run;
  const numResponses = optim.globalBatchSize * rollout.n;
  if (!averagesMicroBatches(run) || numResponses % optim.microBatchSize === 0) return false;
  const batch = `optim.globalBatchSize x rollout.n = ${numResponses}`;
  const rule =
    optim.microBatchSize > numResponses
      ? `expected an integer <= the batch (${batch})`
      : `expected a divisor of ${batch} (algorithm.lossAvgMode or compat: reference)`;
  return ["optim.microBatchSize", `${rule}, got ${optim.microBatchSize}`];
};

/** The entropies' factor while the weight anneals is the weight over coef. */
const entropyScale: Check = ({ algorithm: { klPrcp, entropy } }) => {
  const { start, end } = klPrcp.annealing;
  const leavesZero = klPrcp.enabled && klPrcp.schedule === "annealing" && Math.max(start, end) > 0;
  if (!leavesZero || klPrcp.coef > 0 || Math.max(entropy.augCoef, entropy.oriCoef) === 0) return false;
  const why = "schedule annealing scales the entropies by its weight / coef";
  return ["algorithm.klPrcp.coef", `expected a number > 0 (${why}), got ${klPrcp.coef}`];
};

const fullKlInLoss: Check = ({ algorithm: { klRef } }) =>
  klRef.mode === "reward" &&
  klRef.estimator === "full" && [
    "algorithm.klRef.estimator",
    "expected k1, abs, mse or k3 (the reward's KL is of the sampled tokens; full needs algorithm.klRef.mode: loss), got full",
  ];

const fullKlRecomputed: Check = ({ algorithm: { klPrcp }, aug }) =>
  klPrcp.enabled &&
  klPrcp.estimator === "full" &&
  aug.grad === "none" && [
    "algorithm.klPrcp.estimator",
    "expected k1, abs, mse or k3 (of a constant masked branch only log-probs are kept; full needs aug.grad: recompute), " +
      "got full",
  ];

const pixelOrder: Check = ({ data }) =>
  data.minPixels > data.maxPixels && [
    "data.minPixels",
    `expected an integer <= data.maxPixels (${data.maxPixels}), got ${data.minPixels}`,
  ];

const filterOrder: Check = ({ algorithm: { filter } }) =>
  filter.low >= filter.high && [
    "algorithm.filter.low",
    `expected a number < algorithm.filter.high (${filter.high}), got ${filter.low}`,
  ];

const overlongFits: Check = ({ reward: { overlong }, data }) =>
  overlong !== null &&
  overlong.cacheLength > data.maxResponseLength && [
    "reward.overlong.cacheLength",
    `expected an integer <= data.maxResponseLength (${data.maxResponseLength}), got ${overlong.cacheLength}`,
  ];

const warmupFits: Check = ({ optim, trainer }) =>
  optim.warmupSteps !== null &&
  trainer.maxSteps !== null &&
  optim.warmupSteps > trainer.maxSteps && [
    "optim.warmupSteps",
    `expected an integer <= trainer.maxSteps (${trainer.maxSteps}), got ${optim.warmupSteps}`,
  ];

const valOnlyHasData: Check = ({ data, trainer }) =>
  trainer.valOnly && data.val === null && ["data.val", "expected a data set (trainer.valOnly), got null"];

const backoffHasWeight: Check = ({ guard, algorithm }) =>
  guard.action === "backoff" &&
  !algorithm.klPrcp.enabled && [
    "guard.action",
    "expected off, warn or stop (there is a weight to back off with algorithm.klPrcp.enabled only), got backoff",
  ];

const lagFits: Check = ({ guard }) =>
  guard.lag < guard.window && [
    "guard.lag",
    `expected an integer >= guard.window (${guard.window}), so that no step is in level and mean, got ${guard.lag}`,
  ];

const guardedMetrics: Check = ({ trainer: { loggers, prometheus } }) =>
  loggers.includes("prometheus") &&
  prometheus.tokenFile === null &&
  !isLoopback(prometheus.host) && [
    "trainer.prometheus.tokenFile",
    `expected a file, as other machines reach trainer.prometheus.host (${prometheus.host}), got null`,
  ];

const groupChecks = [needsGroup, wholeMicroBatches, fullKlInLoss, fullKlRecomputed, backoffHasWeight, lagFits];
const checks = [
  wholeMinibatches,
  entropyScale,
  pixelOrder,
  filterOrder,
  overlongFits,
  warmupFits,
  valOnlyHasData,
  guardedMetrics,
];

/**
 * Every rule between settings that the run breaks.
 * @param groups whether groups are trained on
 */
export function crossProblems(run: ResolvedRun, groups: boolean): Problem[] {
  return [...(groups ? groupChecks : []), ...checks].flatMap((check) => {
    const broken = check(run);
    return broken === false ? [] : [{ path: broken[0].split("."), text: broken[1] }];
  });
}
