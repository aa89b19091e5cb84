// What every kind of run opens first: its folder, the checkpoint's processor, data sets, loggers.
import { noteLines } from "../config/notes.ts";
import type { RunConfig } from "../config/schema.ts";
import { type Dataset, type DatasetOptions, openDataset } from "../data/dataset.ts";
import { resolveModelFolder } from "../data/hub.ts";
import { type SelectedDataset, selectRows } from "../data/select.ts";
import { ConfigError } from "../errors.ts";
import { Processor } from "../processor/processor.ts";
import type { StepMetrics } from "../types.ts";
import { buildVersions } from "./build-versions.ts";
import { Disposal } from "./disposal.ts";
import { createLoggers, type Logger, type LoggerSet } from "./loggers.ts";
import { Progress } from "./progress.ts";
import { RunFolder } from "./run-folder.ts";
import type { RunRecord } from "./run-record.ts";
import { totalSteps } from "./schedule.ts";
import { StepTable } from "./step-table.ts";
import { gitState } from "./system-info.ts";
import { limitTensorMemory } from "./tensor-memory.ts";
import type { OutputStream } from "./terminal.ts";
import { setThreads } from "./threads.ts";

export interface TrainOptions {
  /** Go on from the run folder's newest checkpoint. */
  readonly resume?: boolean | undefined;
  /** Stops the run as Ctrl-C does: whole steps are saved first. */
  readonly signal?: AbortSignal | undefined;
  /** Takes one line of news; default: stderr. */
  readonly say?: ((line: string) => void) | undefined;
  /** Where the table of steps goes; default: stdout. */
  readonly stdout?: OutputStream | undefined;
  /** Takes the metrics of every step beside the loggers of trainer.loggers. */
  readonly logger?: Logger | undefined;
  /**
   * Called when a step has been logged, and at step 0 with the validation before training; the run waits for it. What
   * it throws ends the run.
   */
  readonly onStep?: ((step: number, metrics: StepMetrics) => void | Promise<void>) | undefined;
}

export interface OpenedRun extends AsyncDisposable {
  readonly config: RunConfig;
  readonly folder: RunFolder;
  /** Of model.path, downloaded when it is a hub id. */
  readonly modelDir: string;
  /** Folders with the tokenizer's and the processor's files, the later over the earlier. */
  readonly sideFileDirs: readonly string[];
  readonly processor: Processor;
  readonly progress: Progress;
  readonly signal: AbortSignal | undefined;
  readonly say: (line: string) => void;
  readonly stdout: OutputStream;
  /** Beside those of trainer.loggers. */
  readonly loggers: readonly Logger[];
  /** Closed with the run, before its folder. */
  readonly disposal: Disposal;
}

export async function openRun(
  command: RunRecord["command"],
  config: RunConfig,
  options: TrainOptions,
): Promise<OpenedRun> {
  const say = options.say ?? ((line: string) => void process.stderr.write(`${line}\n`));
  for (const line of noteLines(config.notes)) say(line);
  await setThreads(config.trainer.threads, "trainer.threads");
  limitTensorMemory(config.trainer.memoryGib);
  const record = { command, config, git: await gitState(process.cwd()), build: buildVersions() };
  const disposal = new Disposal();
  try {
    const { path, tokenizerPath } = config.model;
    const hub = options.signal ? { signal: options.signal } : {};
    const modelDir = await resolveModelFolder(path, hub);
    const filesDir = tokenizerPath === null ? modelDir : await resolveModelFolder(tokenizerPath, hub);
    const processor = await Processor.load(modelDir, config.data, filesDir);
    const folder = disposal.use(
      await RunFolder.open({ dir: config.trainer.outDir, record, resume: options.resume ?? false }),
    );
    for (const change of folder.changedSettings) say(`changed: ${change}`);
    for (const broken of folder.brokenCheckpoints) say(`passed over: ${broken.message}`);
    return {
      config,
      folder,
      modelDir,
      sideFileDirs: [modelDir, filesDir],
      processor,
      progress: new Progress(),
      signal: options.signal,
      say,
      stdout: options.stdout ?? process.stdout,
      loggers: ownLoggers(options),
      disposal,
      [Symbol.asyncDispose]: () => disposal[Symbol.asyncDispose](),
    };
  } catch (error) {
    await disposal[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * A data set of the run with over-long prompts left out.
 * @param target what each row must have: the ground truth, or the text to be learnt (data.responseKey)
 * @throws {ConfigError} when there is none; {DataError} when it has no usable row
 */
export async function selectDataset(
  run: OpenedRun,
  spec: string | null,
  target: "answer" | "response" = "answer",
): Promise<Dataset> {
  const { config, processor, progress, signal } = run;
  if (spec === null) throw new ConfigError("data.train", "expected a data set to train on, got none");
  const { data } = config;
  const dataset = await openDataset(spec, { ...datasetOptions(data, target), hub: signal ? { signal } : {} });
  using phase = progress.phase("reading", dataset.length, "rows");
  const selected = await selectRows(dataset, {
    keep: async (example) =>
      !data.filterOverlongPrompts || (await processor.promptLength(example)) <= data.maxPromptLength,
    ...(signal ? { signal } : {}),
    onProgress: (done) => {
      phase.update(done);
    },
  });
  sayLeftOut(run, selected, dataset.length);
  return selected;
}

function sayLeftOut({ config, say }: OpenedRun, { name, skips, numDropped }: SelectedDataset, numRows: number): void {
  for (const report of skips.reports) say(`skipped ${report}`);
  if (skips.skipped > 0) say(`${name}: ${skips.skipped} of ${numRows} rows are unusable and left out`);
  if (numDropped === 0) return;
  say(`${name}: ${numDropped} of ${numRows} prompts are over data.maxPromptLength ${config.data.maxPromptLength}`);
}

/** Column names and limits as openDataset takes them. */
function datasetOptions(data: RunConfig["data"], target: "answer" | "response"): DatasetOptions {
  const { promptKey, answerKey, imageKey, videoKey, idKey, responseKey, maxSkippedShare, imageDir } = data;
  const columns = { promptKey, answerKey, imageKey, videoKey, idKey };
  return {
    ...columns,
    ...(target === "response" ? { responseKey } : {}),
    maxSkippedShare,
    ...(imageDir === null ? {} : { imageDir }),
  };
}

/**
 * Steps of the run.
 * @throws {ConfigError} when a batch is larger than the data set, or an epoch has no whole step
 */
export function stepsOf(config: RunConfig, numRows: number): number {
  const steps = totalSteps(config, numRows);
  const { miniRolloutBatchSize: mini, rolloutBatchSize: batch } = config.data;
  const all = `expected at most the ${numRows} usable rows of data.train`;
  const { enabled: inRounds } = config.algorithm.filter;
  if (inRounds && mini > numRows) throw new ConfigError("data.miniRolloutBatchSize", `${all}, got ${mini}`);
  if (batch > numRows && (!inRounds || steps < 1))
    throw new ConfigError("data.rolloutBatchSize", `${all}, got ${batch}`);
  if (steps >= 1) return steps;
  const most = numRows - (numRows % mini);
  const why = `${numRows} usable rows of data.train in whole rounds of data.miniRolloutBatchSize = ${mini}`;
  throw new ConfigError(
    "data.rolloutBatchSize",
    `expected at most ${most}, or an epoch has no whole step (${why}), got ${batch}`,
  );
}

export async function openLoggers(run: OpenedRun, steps: number): Promise<LoggerSet> {
  const { config, folder, stdout, say } = run;
  const loggers = await createLoggers(config, folder, new StepTable(stdout, steps), say);
  for (const logger of run.loggers) loggers.add(logger);
  return loggers;
}

function ownLoggers({ logger, onStep }: TrainOptions): Logger[] {
  const ending: Logger[] = onStep ? [{ name: "onStep", required: true, logStep: onStep }] : [];
  return logger ? [logger, ...ending] : ending;
}
