// Supervised warm start: cross-entropy on the rows' own responses, over the same data path, loop and checkpoints as
// reinforcement learning. A row is a group of one response.
import { KlController } from "../algorithm/coefficient-schedule.ts";
import { tokenWeights } from "../algorithm/loss-weights.ts";
import { resolveConfig, type RunSource } from "../config/load.ts";
import type { RunConfig } from "../config/schema.ts";
import type { Dataset } from "../data/dataset.ts";
import { ExampleStream } from "../data/example-stream.ts";
import { PromptBatches } from "../eval/prompt-batches.ts";
import type { GroupInput, LossSpec } from "../native/binding.ts";
import { callNative } from "../native/call.ts";
import { loadNative } from "../native/load.ts";
import { stoppable } from "../native/stoppable.ts";
import type { Policy } from "../policy/policy.ts";
import { type Processor, releasePrompt } from "../processor/processor.ts";
import { promptInput } from "../rollout/rollout.ts";
import type { Prompt } from "../types.ts";
import { type CheckpointParts, takeState } from "./checkpoint.ts";
import { FlopMeter } from "./flop-meter.ts";
import type { LoopParts, Stepper, TrainedStep, Validation } from "./loop-parts.ts";
import { openLoggers, openRun, type OpenedRun, selectDataset, stepsOf, type TrainOptions } from "./open-run.ts";
import { PolicyOptimizer } from "./policy-optimizer.ts";
import { openPolicy, resume } from "./run.ts";
import { RunLoop, type TrainResult } from "./run-loop.ts";
import { learningRate } from "./schedule.ts";
import { StepHandles } from "./step-handles.ts";
import { lengthMetrics, PhaseTimer, recomputeMetrics } from "./step-metrics.ts";
import { memoryMetrics } from "./system-info.ts";
import { takeTensorPeak } from "./tensor-memory.ts";

/** Only the supervised term: the others need rewards. */
const sftSpec: LossSpec = {
  policyLoss: "ppo",
  clipLow: 0.2,
  clipHigh: 0.2,
  augEntropyCoef: 0,
  oriEntropyCoef: 0,
  entropy: "sampled",
  sftCoef: 1,
};

/**
 * Trains on the rows' responses (data.responseKey): data.rolloutBatchSize rows a step, one optimizer step each; the
 * loss is the mean over the batch's response tokens, the stop token included. What `papo sft` does.
 * @throws {ConfigError} when the run cannot be what the settings ask for
 * @throws the signal's reason when aborted; whole steps are saved first
 */
export async function trainSupervised(source: RunSource, options: TrainOptions = {}): Promise<TrainResult> {
  const { signal } = options;
  const config = resolveConfig(source, { groups: false });
  return await stoppable(signal, async () => {
    await using run = await openRun("sft", config, options);
    const parts = await openParts(run);
    return await new RunLoop(config, run.folder, parts, run.say).run(signal);
  });
}

async function openParts(run: OpenedRun): Promise<LoopParts> {
  const { config, folder, processor, disposal } = run;
  const trainSet = await selectDataset(run, config.data.train, "response");
  const valSet = config.data.val === null ? undefined : await selectDataset(run, config.data.val, "response");
  const totalSteps = stepsOf(config, trainSet.length);
  const policy = disposal.use(await openPolicy(run));
  const optimizer = disposal.use(await PolicyOptimizer.create(config.optim, policy));
  const stream = new ExampleStream(trainSet, processor, {
    seed: config.seed,
    shuffle: config.data.shuffle,
    say: run.say,
  });
  const klController = new KlController(config.algorithm.klRef);
  const checkpoint: CheckpointParts = {
    optimizer,
    stream,
    klController,
    guard: undefined,
    sideFileDirs: run.sideFileDirs,
  };
  const flopMeter = await FlopMeter.create(config.trainer.device);
  const stepper = new SupervisedStepper({ config, optimizer, stream, processor, flopMeter, totalSteps });
  return {
    stepper,
    checkpoint,
    state: folder.resumeFrom ? await resume(folder.resumeFrom.dir, checkpoint) : takeState(checkpoint),
    validate: valSet && (() => validate(run, policy, valSet)),
    loggers: disposal.use(await openLoggers(run, totalSteps)),
    totalSteps,
  };
}

interface StepperParts {
  readonly config: RunConfig;
  readonly optimizer: PolicyOptimizer;
  readonly stream: ExampleStream;
  readonly processor: Processor;
  readonly flopMeter: FlopMeter;
  readonly totalSteps: number;
}

class SupervisedStepper implements Stepper {
  readonly #parts: StepperParts;
  isMidUpdate = false;

  constructor(parts: StepperParts) {
    this.#parts = parts;
  }

  async step(step: number, signal?: AbortSignal): Promise<TrainedStep> {
    const { config, optimizer, stream, processor, flopMeter, totalSteps } = this.#parts;
    await flopMeter.begin();
    const timer = new PhaseTimer({ takePeak: () => takeTensorPeak(config.trainer.device) });
    const skippedBefore = stream.numSkipped;
    const prompts = await timer.measure("data", () => stream.next(config.data.rolloutBatchSize, signal));
    const groups = prompts.map((prompt) => supervisedGroup(prompt, processor, optimizer.policy));
    const native = loadNative();
    const batch = native.createBatch(groups);
    try {
      const lengths = groups.map(({ responses }) => responses[0]?.length ?? 0);
      const lr = learningRate(config, step, totalSteps);
      const report = await timer.measure("update_actor", () =>
        callNative({ signal }, (watch) =>
          native.forwardBackward(optimizer.policy.handle, batch, sftSpec, supervisedInputs(config, lengths), watch),
        ),
      );
      signal?.throwIfAborted();
      this.isMidUpdate = true;
      const moved = await optimizer.step(lr, step);
      this.isMidUpdate = false;
      const promptTokens = prompts.reduce((sum, { ids }) => sum + ids.length, 0);
      return {
        samples: [],
        metrics: {
          "actor/total_loss": report.metrics["total_loss"] ?? 0,
          "actor/sft_loss": report.metrics["sft_loss"] ?? 0,
          ...recomputeMetrics(report),
          ...moved,
          "actor/lr": lr,
          ...lengthMetrics("response_length", lengths, config.data.maxResponseLength),
          ...timer.metrics({ responseTokens: report.numTokens, totalTokens: report.numTokens + promptTokens }),
          ...(await flopMeter.metrics(timer.seconds)),
          "data/skipped": stream.numSkipped - skippedBefore,
          "data/epoch": stream.epoch,
          ...memoryMetrics(),
        },
      };
    } finally {
      native.dispose(batch);
      for (const prompt of prompts) releasePrompt(prompt);
    }
  }
}

function supervisedInputs(config: RunConfig, lengths: readonly number[]) {
  const { microBatchSize, microBatchTokens } = config.optim;
  const weights = tokenWeights({ lengths, microBatchSize, maxResponseLength: config.data.maxResponseLength });
  const zeros = new Float64Array(lengths.length);
  return {
    firstGroup: 0,
    lastGroup: lengths.length,
    temperature: 1,
    maxTokens: microBatchTokens,
    weights: { advantages: zeros, lossWeights: zeros, tokenWeights: weights, sftWeights: weights },
  };
}

/** The row's response and the stop token; special tokens spelt out in it are read as text. */
function supervisedGroup(prompt: Prompt, { tokenizer }: Processor, { config }: Policy): GroupInput {
  const ids = tokenizer.encode(tokenizer.literal(prompt.example.response ?? ""));
  return { prompt: promptInput(prompt), responses: [Int32Array.from([...ids, ...config.eosTokenIds.slice(0, 1)])] };
}

/** Mean negative log-prob a token over the validation rows; the score is its negative. */
async function validate(
  { config, processor, progress, signal, say }: OpenedRun,
  policy: Policy,
  dataset: Dataset,
): Promise<Validation> {
  const { rolloutBatchSize: batchSize, maxSkippedShare } = config.data;
  const batches = new PromptBatches(dataset, processor, { batchSize, maxSkippedShare, signal });
  const options = { temperature: 1, entropy: false, maxTokens: config.optim.microBatchTokens };
  const native = loadNative();
  using phase = progress.phase("validation", dataset.length, "rows");
  let [sum, numTokens] = [0, 0];
  for await (const { first, prompts } of batches) {
    using handles = new StepHandles();
    const batch = handles.keep(native.createBatch(prompts.map((prompt) => supervisedGroup(prompt, processor, policy))));
    const scores = handles.keep(
      await callNative({ signal }, (watch) => native.computeLogProbs(policy.handle, batch, options, watch)),
    );
    for (const value of await callNative({}, () => native.logProbValues(scores))) {
      sum -= value;
      numTokens += 1;
    }
    phase.update(first + prompts.length, numTokens);
  }
  for (const report of batches.skips.reports) say(`validation: skipped ${report}`);
  const loss = sum / numTokens;
  return { score: -loss, metrics: { "val/sft_loss": loss }, samples: [] };
}
