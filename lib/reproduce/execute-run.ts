// One run from wherever it is to its result: data, training, evaluation, each gone on with where it was stopped.
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { ConfigError } from "../errors.ts";
import { runBenchmarks } from "../eval/benchmarks/benchmark-run.ts";
import type { BenchmarkItem } from "../eval/benchmarks/item.ts";
import { LocalEngine } from "../eval/benchmarks/local-engine.ts";
import type { EvaluationSummary } from "../eval/benchmarks/summary.ts";
import { evalPaths, readItems } from "../eval/eval-files.ts";
import { loadNative, packageRoot } from "../native/load.ts";
import { writeFileAtomic } from "../trainer/durable-file.ts";
import { readMetrics } from "../trainer/metrics-file.ts";
import { buildVersions } from "../trainer/build-versions.ts";
import type { TrainOptions } from "../trainer/open-run.ts";
import { lockRunFolder } from "../trainer/run-lock.ts";
import { train } from "../trainer/run.ts";
import { recordFile } from "../trainer/run-record.ts";
import { gitState } from "../trainer/system-info.ts";
import { type PlannedRun, checkWork, metricsFileOf, stateOf, workSettingsFile } from "./planned-run.ts";
import { settingsHash } from "./run-settings.ts";
import { type ItemVerdicts, type RunOutcome, storeRun } from "./stored-run.ts";
import type { Study } from "./study.ts";

export interface ExecuteOptions extends Pick<TrainOptions, "signal" | "say" | "stdout"> {
  readonly study: Study;
  /** Leave work/ as it is when the run is finished. */
  readonly keepsWork: boolean;
  /** Do again what is there of other settings, or damaged. */
  readonly reruns: boolean;
}

const lockKey = "--out";

/**
 * Gives `busy` when another process has the run.
 * @throws {ResultsError} `settings` when what is there is of other settings; what training and evaluation throw
 */
export async function executeRun(planned: PlannedRun, options: ExecuteOptions): Promise<"done" | "busy"> {
  const { paths } = planned;
  await mkdir(paths.work, { recursive: true });
  const lock = await lockRunFolder(paths.work, { file: ".reproduce.lock", key: lockKey }).catch((error: unknown) => {
    if (error instanceof ConfigError && error.path === lockKey) return undefined;
    throw error;
  });
  if (!lock) return "busy";
  try {
    await finish(planned, options);
    if (!options.keepsWork) await rm(paths.work, { recursive: true, force: true });
    return "done";
  } finally {
    await lock[Symbol.asyncDispose]();
  }
}

async function finish(planned: PlannedRun, options: ExecuteOptions): Promise<void> {
  const { paths } = planned;
  const state = await stateOf(planned);
  if (state.kind === "done") return;
  if (state.kind === "unusable") {
    if (!options.reruns) throw state.error;
    await clear(planned);
  }
  await writeFileAtomic(workSettingsFile(paths), `${JSON.stringify(planned.settings, null, 2)}\n`);
  const { checkpointDir, numSteps } = await trainRun(planned, options);
  const evaluated = await evaluateRun(planned, checkpointDir, options);
  await storeRun(paths.result, await outcomeOf(planned, { ...evaluated, numSteps }, options));
}

/** What of a run cannot be gone on with. A training of the right settings stays. */
async function clear(planned: PlannedRun): Promise<void> {
  const { result, work } = planned.paths;
  await rm(result, { recursive: true, force: true });
  await rm(join(work, "evaluation"), { recursive: true, force: true });
  const isUsable = existsSync(workSettingsFile(planned.paths)) && (await checkWork(planned).then(() => true, () => false)); // prettier-ignore
  if (!isUsable) for (const name of ["run", "data"]) await rm(join(work, name), { recursive: true, force: true });
}

async function trainRun(planned: PlannedRun, { study, signal, say, stdout }: ExecuteOptions) {
  const { config, paths } = planned;
  await study.prepare(config, paths.work, signal);
  const { outDir } = config.trainer;
  const resume = existsSync(join(outDir, recordFile)) && existsSync(join(outDir, "checkpoints"));
  return await train(config, { resume, signal, say, stdout });
}

interface Evaluated {
  readonly summary: EvaluationSummary;
  /** Null when a part was there already. */
  readonly seconds: number | null;
}

async function evaluateRun(
  { paths, evaluation }: PlannedRun,
  model: string,
  { signal }: ExecuteOptions,
): Promise<Evaluated> {
  const { benchmarks, settings, engine: engineOptions } = evaluation;
  const out = evaluationDir(paths);
  const isResumed = existsSync(out);
  const startMs = performance.now();
  const engine = await LocalEngine.open(settings, { ...engineOptions, model, signal });
  const summary = await runBenchmarks({ benchmarks, settings, engine, out, signal });
  return { summary, seconds: isResumed ? null : (performance.now() - startMs) / 1000 };
}

const evaluationDir = ({ work }: PlannedRun["paths"]) => join(work, "evaluation");

async function outcomeOf(
  planned: PlannedRun,
  done: Evaluated & { numSteps: number },
  { study }: ExecuteOptions,
): Promise<RunOutcome> {
  // prettier-ignore
  const { run, seed, settings, configurationHash, evaluation, config } = planned;
  const { method, size, recipe, overrides } = run;
  const step = done.numSteps;
  const metricsFile = metricsFileOf(planned.paths);
  const verdicts = await verdictsOf(planned, study);
  return {
    run: {
      ...{ method, size, seed, recipe, overrides: [...overrides], configurationHash, settings },
      ...{ step, steps: config.trainer.maxSteps ?? step },
      seconds: { training: await trainingSeconds(metricsFile), evaluation: done.seconds },
      build: buildVersions(),
      revision: await ownRevision(),
      machine: { cpu: cpus()[0]?.model ?? "", threads: loadNative().runtimeInfo().numThreads },
    },
    evaluation: {
      seed: evaluation.settings.seed,
      settingsHash: settingsHash(planned.evaluationSettings),
      settings: planned.evaluationSettings,
      benchmarks: done.summary.benchmarks.map((summary) => ({ ...summary })),
      classes: verdicts.classes,
    },
    metricsFile,
    verdicts: verdicts.items,
  };
}

/** Of papo's own repository: an installed papo is a part of somebody else's. */
async function ownRevision() {
  return existsSync(join(packageRoot, ".git")) ? ((await gitState(packageRoot)) ?? null) : null;
}

/** Whatever stopped in between does not count. */
async function trainingSeconds(metricsFile: string): Promise<number> {
  let sum = 0;
  for await (const { metrics } of readMetrics(metricsFile)) sum += metrics["timing_s/step"] ?? 0;
  return sum;
}

interface Verdicts {
  readonly items: readonly ItemVerdicts[];
  readonly classes: RunOutcome["evaluation"]["classes"];
}

async function verdictsOf({ paths, evaluation }: PlannedRun, study: Study): Promise<Verdicts> {
  const classify = study.classifierOf(evaluation);
  const items: ItemVerdicts[] = [];
  const classes: Record<string, Record<string, number>> = {};
  for (const { id: benchmark } of evaluation.benchmarks) {
    const counts = (classes[benchmark] = {} as Record<string, number>);
    for await (const { id, responses } of readItems<BenchmarkItem>(
      evalPaths(join(evaluationDir(paths), benchmark)).items,
    )) {
      const verdicts = responses.map(({ correct }) => (correct ? "1" : "0")).join("");
      const found = classify && responses.map(({ text }) => classify(id, text ?? ""));
      for (const name of found ?? []) counts[name] = (counts[name] ?? 0) + 1;
      items.push({ id, verdicts, ...(found && { classes: found.map((name) => name.charAt(0)).join("") }) });
    }
  }
  return { items, classes: classify ? classes : null };
}
