// A whole run: opens everything that the configuration names, takes the steps, and between them validates, logs and
// writes checkpoints. One step is trainer.ts.
import { noteLines } from "../config/notes.ts";
import type { RunConfig } from "../config/schema.ts";
import { KlController } from "../algorithm/coefficient-schedule.ts";
import { type Dataset, openDataset } from "../data/dataset.ts";
import { ExampleStream } from "../data/example-stream.ts";
import { resolveModelFolder } from "../data/hub.ts";
import { selectRows } from "../data/select.ts";
import { ConfigError } from "../errors.ts";
import { type EvalResult, evaluate } from "../eval/evaluate.ts";
import type { OptimizerHandle } from "../native/binding.ts";
import { callNative } from "../native/call.ts";
import { loadNative } from "../native/load.ts";
import { Policy } from "../policy/policy.ts";
import { Processor } from "../processor/processor.ts";
import { createReward, type Scorer } from "../reward/reward.ts";
import { Rollout } from "../rollout/rollout.ts";
import type { StepMetrics } from "../types.ts";
import {
  type BestScore,
  type CheckpointParts,
  fillCheckpoint,
  readTrainerState,
  restoreState,
  takeState,
  type TrainerState,
} from "./checkpoint.ts";
import { Disposal } from "./disposal.ts";
import { createLoggers, type LoggerSet } from "./loggers.ts";
import { Progress } from "./progress.ts";
import { RunFolder } from "./run-folder.ts";
import { writeSamples } from "./samples.ts";
import { totalSteps } from "./schedule.ts";
import { spreadMetrics } from "./step-metrics.ts";
import { StepTable } from "./step-table.ts";
import { gitState } from "./system-info.ts";
import { Trainer } from "./trainer.ts";
import { Updater } from "./updater.ts";

export interface TrainOptions {
  /** Go on from the run folder's newest checkpoint. */
  readonly resume?: boolean;
  readonly signal?: AbortSignal;
  /** One line of news; default: stderr. */
  readonly say?: (line: string) => void;
  /** Versions for the run's record. */
  readonly build?: Readonly<Record<string, string>>;
}

export interface TrainResult {
  readonly runDir: string;
  /** Of the last checkpoint. */
  readonly checkpointDir: string;
  readonly numSteps: number;
  readonly best: BestScore | null;
}

/**
 * Trains as the configuration says.
 * @throws {ConfigError} when the run cannot be what the configuration asks for
 * @throws the signal's abort as NativeError E_ABORTED or AbortError, with everything up to the last whole step saved
 */
export async function train(config: RunConfig, options: TrainOptions = {}): Promise<TrainResult> {
  const say = options.say ?? ((line: string) => void process.stderr.write(`${line}\n`));
  for (const line of noteLines(config.notes)) say(line);
  if (config.trainer.threads !== null) await loadNative().setNumThreads(config.trainer.threads);
  const record = { config, git: await gitState(process.cwd()), build: options.build ?? {} };
  await using folder = await RunFolder.open({ dir: config.trainer.outDir, record, resume: options.resume ?? false });
  for (const broken of folder.brokenCheckpoints) say(`passed over: ${broken.message}`);
  await using stack = new Disposal();
  const run = await Run.open(config, folder, stack, { ...options, say });
  return await run.train();
}

class Run {
  readonly #config: RunConfig;
  readonly #folder: RunFolder;
  readonly #parts: RunParts;
  readonly #say: (line: string) => void;
  readonly #signal: AbortSignal | undefined;
  /** After the last whole step. */
  #state: TrainerState;
  #savedStep: number;

  private constructor(
    config: RunConfig,
    folder: RunFolder,
    parts: RunParts,
    options: Required<Pick<TrainOptions, "say">> & TrainOptions,
  ) {
    this.#config = config;
    this.#folder = folder;
    this.#parts = parts;
    this.#say = options.say;
    this.#signal = options.signal;
    this.#state = parts.state;
    this.#savedStep = folder.resumeFrom?.step ?? -1;
  }

  static async open(
    config: RunConfig,
    folder: RunFolder,
    stack: Disposal,
    options: Required<Pick<TrainOptions, "say">> & TrainOptions,
  ): Promise<Run> {
    return new Run(config, folder, await openParts(config, folder, stack, options), options);
  }

  async train(): Promise<TrainResult> {
    const { trainer } = this.#config;
    const { totalSteps: last } = this.#parts;
    if (this.#state.step === 0 && trainer.valBeforeTrain) await this.#validateAndLog(0, {});
    if (!trainer.valOnly) {
      try {
        for (let step = this.#state.step + 1; step <= last; step += 1) await this.#step(step);
      } catch (error) {
        await this.#saveAfterFailure();
        throw error;
      }
    }
    const checkpoint = await this.#folder.latestCheckpoint();
    return {
      runDir: this.#folder.dir,
      checkpointDir: checkpoint?.dir ?? "",
      numSteps: this.#state.step,
      best: this.#state.best,
    };
  }

  async #step(step: number): Promise<void> {
    const { trainer } = this.#config;
    const isLast = step === this.#parts.totalSteps;
    const { metrics, samples } = await this.#parts.trainer.step(step, this.#signal);
    this.#state = takeState(this.#parts.checkpoint, step, this.#state.best);
    await writeSamples(this.#folder.samplesDir, step, samples);
    const validates = isLast || (trainer.valFreq > 0 && step % trainer.valFreq === 0);
    if (validates) await this.#validateAndLog(step, metrics);
    else await this.#parts.loggers.logStep(step, metrics);
    if (isLast || (trainer.saveFreq > 0 && step % trainer.saveFreq === 0)) await this.#save();
  }

  async #validateAndLog(step: number, metrics: StepMetrics): Promise<void> {
    const startMs = performance.now();
    const result = await this.#validate(step);
    if (!result) {
      if (Object.keys(metrics).length > 0) await this.#parts.loggers.logStep(step, metrics);
      return;
    }
    const score = result.average["overall"] ?? 0;
    const { best } = this.#state;
    if (best === null || score > best.score) this.#state = { ...this.#state, best: { step, score } };
    const parts = Object.entries(result.average).map(([part, value]) => [`val/${part}_reward`, value] as const);
    await this.#parts.loggers.logStep(step, {
      ...metrics,
      "val/reward_score": score,
      ...Object.fromEntries(parts),
      ...spreadMetrics("val/response_length", result.responseLengths),
      "timing_s/validation": (performance.now() - startMs) / 1000,
    });
  }

  async #validate(step: number): Promise<EvalResult | undefined> {
    const { valSet, processor, rollout, scorer, progress } = this.#parts;
    if (!valSet) return undefined;
    const sampling = this.#config.rollout.val;
    using phase = progress.phase("validation", valSet.length * sampling.n, "responses");
    return await evaluate(
      { dataset: valSet, processor, rollout, scorer },
      {
        sampling,
        purpose: "validation",
        step,
        batchSize: this.#config.data.valBatchSize,
        signal: this.#signal,
        progress: (done) => {
          phase.update(done);
        },
      },
    );
  }

  async #save(): Promise<void> {
    const { trainer, model } = this.#config;
    const state = this.#state;
    await this.#folder.writeCheckpoint(state.step, (dir) =>
      fillCheckpoint(dir, this.#parts.checkpoint, state, { dtype: model.dtype, modelOnly: trainer.saveModelOnly }),
    );
    this.#savedStep = state.step;
    const bestStep = trainer.saveBest ? state.best?.step : undefined;
    await this.#folder.checkpoints.prune({ saveLimit: trainer.saveLimit, bestStep });
  }

  /** Whole steps that no checkpoint has yet are saved, unless the failure came in the middle of an update. */
  async #saveAfterFailure(): Promise<void> {
    if (this.#state.step <= Math.max(0, this.#savedStep)) return;
    if (this.#parts.trainer.isMidUpdate) {
      this.#say(
        `stopped inside the update of step ${this.#state.step + 1}; the newest checkpoint is of step ${Math.max(0, this.#savedStep)}`,
      );
      return;
    }
    await this.#save();
    this.#say(`saved step ${this.#state.step}; go on with --resume`);
  }
}

interface RunParts {
  readonly trainer: Trainer;
  readonly checkpoint: CheckpointParts;
  readonly state: TrainerState;
  readonly valSet: Dataset | undefined;
  readonly processor: Processor;
  readonly rollout: Rollout;
  readonly scorer: Scorer;
  readonly loggers: LoggerSet;
  readonly progress: Progress;
  readonly totalSteps: number;
}

/** Opens policies, data, reward and loggers; what needs closing goes on the stack. */
async function openParts(
  config: RunConfig,
  folder: RunFolder,
  stack: Disposal,
  { say, signal }: Required<Pick<TrainOptions, "say">> & TrainOptions,
): Promise<RunParts> {
  const progress = new Progress();
  const modelDir = await resolveModelFolder(config.model.path);
  const filesDir =
    config.model.tokenizerPath === null ? modelDir : await resolveModelFolder(config.model.tokenizerPath);
  const processor = await Processor.load(modelDir, config.data, filesDir);
  const [trainSet, valSet] = await openDatasets(config, processor, progress, signal);
  const scorer = stack.use(await createReward(config.reward, scorerSurroundings(config)));
  const resumed = folder.resumeFrom ? await readTrainerState(folder.resumeFrom.dir) : undefined;
  const policy = stack.use(
    await Policy.open(folder.resumeFrom?.dir ?? modelDir, {
      dtype: config.model.dtype,
      trained: true,
      freezeVisionTower: config.model.freezeVisionTower,
      checkpointActivations: config.model.activationCheckpoint,
      signal,
    }),
  );
  const needsReference = config.algorithm.klRef.mode !== "off";
  const reference = needsReference
    ? stack.use(await Policy.open(modelDir, { dtype: config.model.dtype, signal }))
    : undefined;
  const optimizer = await createOptimizer(config, policy);
  stack.defer(() => {
    loadNative().dispose(optimizer);
  });
  const steps = totalSteps(config, trainSet.length);
  if (steps < 1) {
    throw new ConfigError(
      "data.rolloutBatchSize",
      `expected at most the ${trainSet.length} usable rows of data.train, got ${config.data.rolloutBatchSize}`,
    );
  }
  const stream = new ExampleStream(trainSet, processor, { seed: config.seed, shuffle: config.data.shuffle });
  const klController = new KlController(config.algorithm.klRef);
  const updater = new Updater({ config, policy, reference, optimizer, klController, progress, totalSteps: steps });
  const checkpoint: CheckpointParts = { policy, optimizer, stream, klController, updater };
  if (resumed && folder.resumeFrom) await restoreState(folder.resumeFrom.dir, resumed, checkpoint);
  const rollout = new Rollout(policy, processor, {
    seed: config.seed,
    maxResponseLength: config.data.maxResponseLength,
    maxConcurrentResponses: config.rollout.maxConcurrentResponses,
  });
  const table = new StepTable(process.stdout, steps);
  const loggers = stack.use(await createLoggers(config.trainer.loggers, folder, table, say));
  const promptText = (ids: Int32Array): string =>
    processor.tokenizer.decode(ids, { skipSpecial: false }).replace(/(<\|image_pad\|>)+/g, "$1");
  return {
    trainer: new Trainer({ config, stream, rollout, scorer, updater, progress, promptText }),
    checkpoint,
    state: resumed ?? takeState(checkpoint, 0, null),
    valSet,
    processor,
    rollout,
    scorer,
    loggers,
    progress,
    totalSteps: steps,
  };
}

/** What a reward depends on beside its own settings. */
function scorerSurroundings({ compat, data }: RunConfig) {
  return { compat, maxResponseLength: data.maxResponseLength };
}

async function createOptimizer({ optim }: RunConfig, policy: Policy): Promise<OptimizerHandle> {
  const { strategy, betas, eps, weightDecay } = optim;
  return await callNative({}, () =>
    loadNative().createOptimizer(policy.handle, { strategy, beta1: betas[0], beta2: betas[1], eps, weightDecay }),
  );
}

/** The training set with over-long prompts left out, and the validation set if there is one. */
async function openDatasets(
  { data }: RunConfig,
  processor: Processor,
  progress: Progress,
  signal: AbortSignal | undefined,
): Promise<[Dataset, Dataset | undefined]> {
  if (data.train === null) throw new ConfigError("data.train", "expected a data set to train on, got none");
  const open = async (spec: string): Promise<Dataset> => {
    const dataset = await openDataset(spec, datasetOptions(data));
    using phase = progress.phase("reading", dataset.length, "rows");
    return await selectRows(dataset, {
      ...(data.filterOverlongPrompts
        ? { keep: async (example) => (await processor.promptLength(example)) <= data.maxPromptLength }
        : {}),
      ...(signal ? { signal } : {}),
      onProgress: (done) => {
        phase.update(done);
      },
    });
  };
  return [await open(data.train), data.val === null ? undefined : await open(data.val)];
}

/** Column names and limits as openDataset takes them. */
export function datasetOptions({
  promptKey,
  answerKey,
  imageKey,
  videoKey,
  idKey,
  imageDir,
  maxSkippedShare,
}: RunConfig["data"]) {
  return {
    promptKey,
    answerKey,
    imageKey,
    videoKey,
    idKey,
    maxSkippedShare,
    ...(imageDir === null ? {} : { imageDir }),
  };
}
