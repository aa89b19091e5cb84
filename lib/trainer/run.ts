// A reinforcement learning run: opens everything that the configuration names and hands it to the loop (run-loop.ts).
// One step is trainer.ts.
import { KlController } from "../algorithm/coefficient-schedule.ts";
import { resolveConfig, type RunSource } from "../config/load.ts";
import type { RunConfig } from "../config/schema.ts";
import { tokenTexts } from "../analysis/kl-map/token-texts.ts";
import { ExampleStream } from "../data/example-stream.ts";
import { ConfigError } from "../errors.ts";
import { evaluate } from "../eval/evaluate.ts";
import { CollapseGuard } from "../guard/guard.ts";
import { callNative } from "../native/call.ts";
import { loadNative } from "../native/load.ts";
import { stoppable } from "../native/stoppable.ts";
import { Policy } from "../policy/policy.ts";
import { createReward, functionType, type RewardFunction } from "../reward/reward.ts";
import { Rollout } from "../rollout/rollout.ts";
import type { Prompt } from "../types.ts";
import { type CheckpointParts, readTrainerState, restoreState, takeState } from "./checkpoint.ts";
import type { Disposal } from "./disposal.ts";
import { FlopMeter } from "./flop-meter.ts";
import type { LoopParts, Validation } from "./loop-parts.ts";
import { openRankings } from "./open-rankings.ts";
import { openLoggers, openRun, type OpenedRun, selectDataset, stepsOf, type TrainOptions } from "./open-run.ts";
import { PolicyOptimizer } from "./policy-optimizer.ts";
import { RunLoop, type TrainResult } from "./run-loop.ts";
import { sampledPictures } from "./sample-pictures.ts";
import { pickGroups, sampledGroup, type SampledGroup } from "./samples.ts";
import { spreadMetrics } from "./step-metrics.ts";
import { takeTensorPeak } from "./tensor-memory.ts";
import { Trainer } from "./trainer.ts";
import { Updater } from "./updater.ts";

export interface RewardedTrainOptions extends TrainOptions {
  /** Rewards the responses of training and validation in place of reward.type; reward.overlong goes on top. */
  readonly reward?: RewardFunction | undefined;
}

/**
 * Trains with the objective that the run describes: what `papo train` does.
 * @throws {ConfigError} when the run cannot be what the settings ask for
 * @throws {DataError}, {CheckpointError}, {RewardError}, {NonFiniteError}, {CollapseError}, {NativeError} as the parts do
 * @throws the signal's reason when aborted; whole steps are saved first
 */
export async function train(source: RunSource, options: RewardedTrainOptions = {}): Promise<TrainResult> {
  const { reward, signal } = options;
  const config = rewardedBy(reward, resolveConfig(source));
  return await stoppable(signal, async () => {
    await using run = await openRun("train", config, options);
    const parts = await openParts(run, run.disposal, reward);
    return await new RunLoop(config, run.folder, parts, run.say).run(signal);
  });
}

/** The run whose record says that a function rewards its responses. */
function rewardedBy(reward: RewardFunction | undefined, config: RunConfig): RunConfig {
  if (!reward) return config;
  const { type } = config.reward;
  if (type !== "math" && type !== functionType)
    throw new ConfigError("reward.type", `expected none beside a reward function, got ${type}`);
  return { ...config, reward: { ...config.reward, type: functionType } };
}

async function openParts(run: OpenedRun, disposal: Disposal, reward: RewardFunction | undefined): Promise<LoopParts> {
  const { config, folder, processor, modelDir, progress, signal } = run;
  const trainSet = await selectDataset(run, config.data.train);
  const totalSteps = stepsOf(config, trainSet.length);
  const surroundings = { compat: config.compat, maxResponseLength: config.data.maxResponseLength, reward };
  const rankings = await openRankings(run, trainSet);
  const scorer = disposal.use(await createReward(config.reward, surroundings, run.signal));
  const policy = disposal.use(await openPolicy(run));
  const reference =
    config.algorithm.klRef.mode === "off"
      ? undefined
      : disposal.use(await Policy.open(modelDir, { dtype: config.model.dtype, device: config.trainer.device, signal }));
  if (reference) await callNative({}, () => loadNative().shareVisionTower(reference.handle, policy.handle));
  const optimizer = disposal.use(await PolicyOptimizer.create(config.optim, policy));
  const stream = new ExampleStream(trainSet, rankings ? processor.withRankings(rankings) : processor, {
    seed: config.seed,
    shuffle: config.data.shuffle,
    say: run.say,
  });
  const klController = new KlController(config.algorithm.klRef);
  const guard = new CollapseGuard(config.guard);
  const checkpoint: CheckpointParts = { optimizer, stream, klController, guard, sideFileDirs: run.sideFileDirs };
  const rollout = new Rollout(policy, processor, {
    seed: config.seed,
    maxResponseLength: config.data.maxResponseLength,
    maxConcurrentResponses: config.rollout.maxConcurrentResponses,
  });
  const updater = new Updater({ config, policy, reference, optimizer, klController, guard, progress, totalSteps });
  const promptText = (prompt: Prompt): string => processor.promptText(prompt);
  return {
    stepper: new Trainer({
      config,
      stream,
      rollout,
      scorer,
      updater,
      progress,
      takePeak: () => takeTensorPeak(config.trainer.device),
      flopMeter: await FlopMeter.create(config.trainer.device),
      modelConfig: policy.config,
      promptText,
      tokenTexts: (ids) => tokenTexts(ids, processor.tokenizer),
    }),
    checkpoint,
    state: folder.resumeFrom ? await resume(folder.resumeFrom.dir, checkpoint) : takeState(checkpoint),
    validate: await validator(run, { rollout, scorer }),
    loggers: disposal.use(await openLoggers(run, totalSteps)),
    totalSteps,
  };
}

/** The policy to be trained: the checkpoint's of a resumed run, else that of model.path. */
export async function openPolicy({ config, folder, modelDir, signal }: OpenedRun): Promise<Policy> {
  return await Policy.open(folder.resumeFrom?.dir ?? modelDir, {
    dtype: config.model.dtype,
    trained: true,
    freezeVisionTower: config.model.freezeVisionTower,
    checkpointActivations: config.model.activationCheckpoint,
    device: config.trainer.device,
    signal,
  });
}

/** Brings everything but the weights to a checkpoint's state, which it returns. */
export async function resume(dir: string, checkpoint: CheckpointParts) {
  const state = await readTrainerState(dir);
  await restoreState(dir, state, checkpoint);
  return state;
}

/** avg@n over data.val, if there is one. */
async function validator(
  run: OpenedRun,
  parts: Pick<Parameters<typeof evaluate>[0], "rollout" | "scorer">,
): Promise<LoopParts["validate"]> {
  const { config, processor, progress, signal } = run;
  if (config.data.val === null) return undefined;
  const dataset = await selectDataset(run, config.data.val);
  const sampling = config.rollout.val;
  const picked = new Set(pickGroups(dataset.length, config.trainer.samplesPerStep));
  return async (step): Promise<Validation> => {
    using phase = progress.phase("validation", dataset.length * sampling.n, "responses");
    const samples: SampledGroup[] = [];
    let numSeen = 0;
    const { average, responseLengths, skips } = await evaluate(
      { dataset, processor, ...parts },
      {
        sampling,
        purpose: "validation",
        step,
        batchSize: config.data.valBatchSize,
        maxSkippedShare: config.data.maxSkippedShare,
        signal,
        progress: (done, _total, numTokens) => {
          phase.update(done, numTokens);
        },
        onGroups: async (groups) => {
          for (const group of groups) {
            if (!picked.has(numSeen++)) continue;
            const { prompt } = group;
            const shown = { promptText: processor.promptText(prompt), pictures: await sampledPictures(prompt) };
            samples.push(sampledGroup(group, shown));
          }
        },
      },
    );
    for (const report of skips.reports) run.say(`validation: skipped ${report}`);
    const score = average["overall"] ?? 0;
    const rewards = Object.entries(average).map(([part, value]) => [`val/${part}_reward`, value] as const);
    const lengths = spreadMetrics("val/response_length", responseLengths);
    return { score, samples, metrics: { "val/reward_score": score, ...Object.fromEntries(rewards), ...lengths } };
  };
}
