// Settings that cannot act in the chosen mode. In papo's own files that is a mistake worth stopping for; published
// configs are full of them, so there they are only listed.
import { averagesMicroBatches } from "./checks.ts";
import type { Problem } from "./explain.ts";
import type { ResolvedRun } from "./schema.ts";
import { leaves, settingAt } from "./tree.ts";
import type { Branch } from "./tree.ts";

interface Rule {
  /** Dotted keys; one that names a map stands for all settings in it. */
  readonly keys: readonly string[];
  /** @param root the settings as written, without the defaults that the run has */
  readonly acts: (run: ResolvedRun, root: Branch) => boolean;
  /** What has to be set for the keys to act. */
  readonly needs: string;
  /** Values that say "off" and so are right in every mode. */
  readonly neutral?: readonly unknown[];
}

const under = (parent: string, names: string) => names.split(" ").map((name) => `${parent}.${name}`);
const masksPictures = ({ algorithm, aug }: ResolvedRun) =>
  algorithm.klPrcp.enabled || (aug.grad === "recompute" && algorithm.entropy.augCoef > 0);
const entropyActs = ({ algorithm: { entropy }, aug }: ResolvedRun) =>
  entropy.oriCoef > 0 || (aug.grad === "recompute" && entropy.augCoef > 0);
const klInReward = ({ algorithm }: ResolvedRun) => algorithm.klRef.mode === "reward";
const readsOldLogProbs = (run: ResolvedRun) =>
  klInReward(run) || run.algorithm.epochs > 1 || run.data.rolloutBatchSize > run.optim.globalBatchSize;
const isMathReward = ({ reward }: ResolvedRun) => reward.type === "math";

const rules: readonly Rule[] = [
  {
    keys: ["algorithm.entropy.augCoef"],
    acts: ({ aug }) => aug.grad === "recompute",
    needs: "aug.grad: recompute (with none the masked branch is a constant, so the term has no gradient)",
    neutral: [0],
  },
  {
    keys: ["algorithm.entropy.kind"],
    acts: entropyActs,
    needs: "an entropy coefficient above 0 that acts",
  },
  {
    keys: ["aug"],
    acts: masksPictures,
    needs: "algorithm.klPrcp.enabled, or algorithm.entropy.augCoef with aug.grad: recompute",
    neutral: ["none"],
  },
  {
    // Patches are the cells, of an exact share, the same for every response. 14 px is what shipped recipes say.
    keys: under("aug", "mode patchPx exact per"),
    acts: ({ aug }) => aug.strategy === "random",
    needs: "aug.strategy: random (masks by saliency have cells of their own, of an exact share)",
    neutral: ["raw", 14, true, "prompt"],
  },
  {
    keys: ["aug.saliency"],
    acts: ({ aug }) => aug.strategy === "saliency",
    needs: "aug.strategy: saliency",
    neutral: [null],
  },
  {
    keys: under("algorithm.klRef", "coef estimator"),
    acts: ({ algorithm }) => algorithm.klRef.mode !== "off",
    needs: "algorithm.klRef.mode: loss or reward",
    neutral: [0],
  },
  {
    keys: ["algorithm.klRef.type"],
    acts: klInReward,
    needs: "algorithm.klRef.mode: reward",
    neutral: ["fixed"],
  },
  {
    keys: under("algorithm.klRef", "horizon target"),
    acts: (run) => klInReward(run) && run.algorithm.klRef.type === "adaptive",
    needs: "algorithm.klRef.mode: reward and type: adaptive",
  },
  {
    keys: under("algorithm.klPrcp", "coef estimator schedule applyMode clipping tokenTopP"),
    acts: ({ algorithm }) => algorithm.klPrcp.enabled,
    needs: "algorithm.klPrcp.enabled",
    neutral: [0, null, "fixed", "all"],
  },
  {
    // Not even 0 is right here: annealing from another start would go on all the same.
    keys: ["algorithm.klPrcp.coef"],
    acts: (run, root) => !annealsFromElsewhere(run, root) || entropyActs(run),
    needs:
      "algorithm.klPrcp.schedule: fixed, algorithm.klPrcp.annealing.start: null (and compat: none), or an entropy " +
      "coefficient above 0 that acts",
  },
  {
    keys: ["algorithm.klPrcp.annealing"],
    acts: ({ algorithm: { klPrcp } }) => klPrcp.enabled && klPrcp.schedule === "annealing",
    needs: "algorithm.klPrcp.enabled and schedule: annealing",
    neutral: [null],
  },
  {
    keys: ["algorithm.klPrcp.incorrectWeighting"],
    acts: ({ algorithm: { klPrcp } }) => klPrcp.enabled && klPrcp.applyMode === "weighted",
    needs: "algorithm.klPrcp.enabled and applyMode: weighted",
  },
  {
    keys: under("algorithm", "clipRatioLow clipRatioHigh clipRatioDual"),
    acts: ({ algorithm }) => algorithm.policyLoss === "ppo",
    needs: "algorithm.policyLoss: ppo (gspo has clips of its own, algorithm.gspo)",
  },
  {
    keys: ["algorithm.oldLogProbs"],
    acts: readsOldLogProbs,
    needs:
      "several optimizer steps a training step (data.rolloutBatchSize above optim.globalBatchSize, or algorithm.epochs " +
      "above 1) or algorithm.klRef.mode: reward",
    neutral: ["scored"],
  },
  {
    keys: ["algorithm.gspo"],
    acts: ({ algorithm }) => algorithm.policyLoss === "gspo",
    needs: "algorithm.policyLoss: gspo",
  },
  {
    keys: [...under("algorithm.filter", "key low high maxTries"), "data.miniRolloutBatchSize"],
    acts: ({ algorithm }) => algorithm.filter.enabled,
    needs: "algorithm.filter.enabled",
    neutral: [null],
  },
  {
    keys: under("reward", "formatWeight grader thinking"),
    acts: isMathReward,
    needs: "reward.type: math",
    neutral: [false, "mathruler"],
  },
  {
    keys: ["reward.graderTimeoutMs"],
    acts: (run) => isMathReward(run) && run.reward.grader === "symbolic",
    needs: "reward.grader: symbolic",
  },
  { keys: ["reward.kwargs"], acts: (run) => !isMathReward(run), needs: "a reward module of yours as reward.type" },
  {
    keys: ["optim.microBatchSize"],
    acts: averagesMicroBatches,
    needs:
      "algorithm.lossAvgMode: reference or compat: reference (optim.microBatchTokens sets how much goes into one pass)",
  },
  {
    keys: ["optim.warmupRatio"],
    acts: ({ optim }) => optim.warmupSteps === null,
    needs: "optim.warmupSteps: null",
    neutral: [0],
  },
  {
    keys: ["optim.minLrRatio"],
    acts: ({ optim }) => optim.schedule !== "constant",
    needs: "optim.schedule: linear or cosine",
    neutral: [0],
  },
  {
    keys: under("guard", "warmupSteps window reference lag patience thresholds minimum"),
    acts: ({ guard }) => guard.action !== "off",
    needs: "guard.action: warn, backoff or stop",
  },
  {
    keys: ["guard.repeatSteps"],
    acts: ({ guard }) => guard.action === "backoff" || guard.action === "stop",
    needs: "guard.action: backoff or stop",
  },
  { keys: ["guard.backoff"], acts: ({ guard }) => guard.action === "backoff", needs: "guard.action: backoff" },
  ...(["mlflow", "prometheus"] as const).map((logger) => ({
    keys: [`trainer.${logger}`],
    acts: ({ trainer }: ResolvedRun) => trainer.loggers.includes(logger),
    needs: `${logger} among trainer.loggers`,
    neutral: [null],
  })),
];

/** What has to be set for a setting to act, by every rule that is about it or about a map that it is in. */
export function needsOf(key: string): readonly string[] {
  const isAbout = (named: string) => key === named || key.startsWith(`${named}.`);
  return rules.filter(({ keys }) => keys.some(isAbout)).map(({ needs }) => needs);
}

/** Whether the weight of the perception KL anneals from a start that does not follow klPrcp.coef. */
function annealsFromElsewhere({ compat, algorithm: { klPrcp } }: ResolvedRun, root: Branch): boolean {
  const start = settingAt(root, "algorithm.klPrcp.annealing.start".split("."));
  const isWritten = start?.kind === "leaf" && start.value !== null;
  return klPrcp.enabled && klPrcp.schedule === "annealing" && (isWritten || compat === "reference");
}

/**
 * The settings in `root` that cannot act in `run`.
 * @returns `problems` for those that papo's own files or the command line set, `noted` for those of published configs
 */
export function withoutEffect(root: Branch, run: ResolvedRun): { problems: Problem[]; noted: string[] } {
  const problems: Problem[] = [];
  const noted: string[] = [];
  for (const { keys, acts, needs, neutral } of rules) {
    if (acts(run, root)) continue;
    for (const { path, setting } of keys.flatMap((key) => writtenBelow(root, key.split(".")))) {
      if (setting.kind !== "leaf" || neutral?.includes(setting.value) === true) continue;
      const text = `has no effect without ${needs}`;
      if (setting.origin.source === "own") problems.push({ path, text });
      if (setting.origin.source === "published") noted.push(`${setting.origin.key}: ${text}`);
    }
  }
  return { problems, noted };
}

function writtenBelow(root: Branch, path: readonly string[]) {
  const setting = settingAt(root, path);
  return setting === undefined ? [] : [...leaves(setting, path)];
}
