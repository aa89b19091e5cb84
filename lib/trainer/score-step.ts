// What is computed of a rollout batch under fixed weights, before the first of them moves.
import { maskedView } from "../algorithm/augment.ts";
import { needsAugLogProbs } from "../algorithm/loss-spec.ts";
import type { RunConfig } from "../config/schema.ts";
import type { BatchHandle, LogProbsHandle, ScoreOptions, WatchOptions } from "../native/binding.ts";
import { callNative } from "../native/call.ts";
import { loadNative } from "../native/load.ts";
import type { Policy } from "../policy/policy.ts";
import { groupInput } from "../rollout/rollout.ts";
import type { Group, RewardedGroup } from "../types.ts";
import type { Progress } from "./progress.ts";
import type { StepHandles } from "./step-handles.ts";
import type { PhaseTimer } from "./step-metrics.ts";

export interface Scores {
  readonly batch: BatchHandle;
  /** Those that the tokens were sampled with. */
  readonly rollout: LogProbsHandle;
  /**
   * Of the rollout's weights: `rollout` with algorithm.oldLogProbs: rollout. Scored ones are absent where every
   * optimizer step takes its own log-probs without their gradient, and nan in the groups of the first one where only
   * later ones need them.
   */
  readonly old?: LogProbsHandle;
  readonly ref?: LogProbsHandle;
  /** Of the rollout's weights on the masked pictures. */
  readonly aug?: LogProbsHandle;
}

interface ScoreParts {
  readonly config: RunConfig;
  readonly policy: Policy;
  readonly reference: Policy | undefined;
  readonly progress: Progress;
}

/** Log-probs under the weights of the rollout, the reference, and the rollout's weights on the masked picture. */
export async function scoreStep(
  { config, policy, reference, progress }: ScoreParts,
  groups: readonly RewardedGroup[],
  { timer, handles, signal }: { timer: PhaseTimer; handles: StepHandles; signal: AbortSignal | undefined },
): Promise<Scores> {
  const native = loadNative();
  const batch = handles.keep(native.createBatch(groups.map(groupInput)));
  const sampled = groups.flatMap(({ responses }) => responses.map(({ logProbs }) => logProbs));
  const rollout = handles.keep(await callNative({}, () => native.createLogProbs(policy.handle, batch, sampled)));
  const numTokens = tokenTotals(groups);
  const options: ScoreOptions = {
    temperature: config.rollout.temperature,
    entropy: false,
    maxTokens: config.optim.microBatchTokens,
  };
  const masked = { ...options, entropy: config.algorithm.entropy.kind === "full", view: maskedView(config) };
  const measured = async <T>(
    metric: Parameters<PhaseTimer["measure"]>[0],
    phaseName: string,
    call: (watch: WatchOptions) => Promise<T>,
  ) =>
    timer.measure(metric, async () => {
      using phase = progress.phase(phaseName, groups.length, "groups");
      const onProgress = (done: number): void => {
        phase.update(done, numTokens[done]);
      };
      return await callNative({ signal, progress: onProgress }, call);
    });
  const firstGroup = firstWithOld(config, groups.length);
  const needsOld = firstGroup < groups.length;
  const needsAug = needsAugLogProbs(config.algorithm) && config.aug.grad === "none";
  const old = async (): Promise<Pick<Scores, "old">> => ({
    old: handles.keep(
      await measured("old", "old log-probs", (watch) =>
        native.computeLogProbs(policy.handle, batch, { ...options, firstGroup }, watch),
      ),
    ),
  });
  const aug = async (): Promise<Pick<Scores, "aug">> => ({
    aug: handles.keep(
      await measured("aug_probs", "masked pictures", (watch) =>
        native.computeLogProbs(policy.handle, batch, masked, watch),
      ),
    ),
  });
  const ref = async (of: Policy): Promise<Pick<Scores, "ref">> => ({
    ref: handles.keep(
      await measured("ref", "reference", (watch) => native.computeLogProbs(of.handle, batch, options, watch)),
    ),
  });
  // One packed pass for both views; its time is divided as its tokens are.
  const both = async (): Promise<Pick<Scores, "old" | "aug">> => {
    const [all, before] = [numTokens.at(-1) ?? 0, numTokens[firstGroup] ?? 0];
    const shares = { old: (all - before) / (2 * all - before), aug_probs: all / (2 * all - before) };
    const scores = await measured(shares, "old log-probs and masked pictures", (watch) =>
      native.computePlainAndMasked(policy.handle, batch, { ...masked, firstGroup }, watch),
    );
    return { old: handles.keep(scores.plain), aug: handles.keep(scores.masked) };
  };
  return {
    batch,
    rollout,
    ...(config.algorithm.oldLogProbs === "rollout" ? { old: rollout } : {}),
    ...(needsOld && needsAug ? await both() : needsOld ? await old() : needsAug ? await aug() : {}),
    // A KL over the vocabulary needs more than log-probs: the update runs the reference beside the policy.
    ...(reference && config.algorithm.klRef.estimator !== "full" ? await ref(reference) : {}),
  };
}

/**
 * The first group whose old log-probs are scored. In the first optimizer step the weights are those of the rollout, so
 * its old log-probs are its new ones; a KL inside the reward and further passes over the batch need all.
 */
function firstWithOld({ optim, algorithm }: RunConfig, numGroups: number): number {
  if (algorithm.oldLogProbs === "rollout") return numGroups;
  if (algorithm.klRef.mode === "reward" || algorithm.epochs > 1) return 0;
  return Math.min(numGroups, optim.globalBatchSize);
}

/** [groups + 1] Tokens, prompts included, of the first so many groups. */
export function tokenTotals(groups: readonly Group[]): number[] {
  let total = 0;
  const tokens = groups.map(
    ({ prompt, responses }) => (total += responses.reduce((sum, { ids }) => sum + ids.length, prompt.ids.length)),
  );
  return [0, ...tokens];
}
