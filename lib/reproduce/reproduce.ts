// What `papo reproduce` does: plans the runs of tables and figures, brings each to its result, renders.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { ConfigError } from "../errors.ts";
import { loadNative } from "../native/load.ts";
import type { GpuSet } from "../plan/gpus.ts";
import type { TrainOptions } from "../trainer/open-run.ts";
import type { KnownRun } from "./collect-results.ts";
import { gpuHoursLeft, minutesLeft } from "./cost.ts";
import { executeRun } from "./execute-run.ts";
import { planText } from "./plan-text.ts";
import { type PlannedRun, planRuns, stateOf } from "./planned-run.ts";
import { renderTables } from "./render.ts";
import { type SelectionOptions, select } from "./selection.ts";
import type { Study } from "./study.ts";

export interface ReproduceOptions
  extends Pick<SelectionOptions, "names" | "seeds">, Pick<TrainOptions, "signal" | "say" | "stdout"> {
  readonly study: Study;
  /** Folder of the runs and of the tables. */
  readonly out: string;
  /** plan: only says what there is to do; render: only makes the tables of what there is. */
  readonly mode: "plan" | "render" | "run";
  /** Methods and seeds that this process runs; default: all. The tables show all. */
  readonly only?: readonly string[] | undefined;
  readonly onlySeeds?: readonly number[] | undefined;
  readonly keepsWork?: boolean | undefined;
  readonly reruns?: boolean | undefined;
  /** Of predictions. */
  readonly gpus?: GpuSet | undefined;
  /** Takes the plan and the tables as text. */
  readonly print: (text: string) => void;
}

/**
 * @throws {ConfigError} for an unknown name or method, or without the GPU that the scale needs
 * @throws {ResultsError} for results of other settings
 */
export async function reproduce(options: ReproduceOptions): Promise<void> {
  const { study, mode, print } = options;
  const out = resolve(options.out);
  const selection = select({ ...options, scale: study.scale });
  const planned = await planRuns(study, selection.runs, out);
  const chosen = planned.filter(isMine(planned, options));
  if (mode !== "render") {
    const runs = await withStates(planned);
    print(planText({ selection, runs, out: options.out, left: await leftText(runs, options) }));
  }
  if (mode === "plan") return;
  if (mode === "run") await runAll(chosen, options);
  for (const markdown of await renderTables(selection, await withStates(planned), out)) print(`\n${markdown}`);
}

function isMine(planned: readonly PlannedRun[], { only, onlySeeds }: ReproduceOptions) {
  checkOneOf("--only", only, new Set(planned.map(({ run }) => run.method)));
  checkOneOf("--only-seed", onlySeeds, new Set(planned.map(({ seed }) => seed)));
  return ({ run, seed }: PlannedRun) =>
    (only === undefined || only.includes(run.method)) && (onlySeeds === undefined || onlySeeds.includes(seed));
}

function checkOneOf<T extends string | number>(
  key: string,
  given: readonly T[] | undefined,
  known: ReadonlySet<T>,
): void {
  const unknown = given?.find((value) => !known.has(value));
  if (unknown === undefined) return;
  throw new ConfigError(key, `expected one of ${[...known].join(", ")}; got ${unknown}`);
}

async function withStates(planned: readonly PlannedRun[]): Promise<KnownRun[]> {
  const known: KnownRun[] = [];
  for (const run of planned) known.push({ planned: run, state: await stateOf(run) });
  return known;
}

async function leftText(runs: readonly KnownRun[], { study, gpus }: ReproduceOptions): Promise<string> {
  if (study.scale === "paper") {
    const hours = await gpuHoursLeft(runs, gpus);
    return `about ${hours.toFixed(0)} GPU-hours of training left by papo plan's model, evaluation apart`;
  }
  const { minutes, numTimed } = minutesLeft(runs);
  const source = numTimed > 0 ? `from the times of ${numTimed} finished` : "assumed, as none is finished";
  return `about ${Math.ceil(minutes)} min left, one run after another (${source})`;
}

async function runAll(planned: readonly PlannedRun[], options: ReproduceOptions): Promise<void> {
  const { study, say = sayOnStderr, keepsWork = study.keepsModels, reruns = false } = options;
  checkNothingUnusable(await withStates(planned), reruns);
  if (study.scale === "paper" && planned.length > 0) checkGpu();
  for (const [index, run] of planned.entries()) {
    const isCleared = keepsWork || !existsSync(run.paths.work);
    if (isCleared && (await stateOf(run)).kind === "done") continue;
    say(`${run.paths.name} (${index + 1} of ${planned.length})`);
    try {
      const outcome = await executeRun(run, { ...options, say, keepsWork, reruns });
      if (outcome === "busy") say(`${run.paths.name}: left to the process that has it`);
    } catch (error) {
      if (options.signal?.aborted === true) say("stopped; the same command goes on from here");
      throw error;
    }
  }
}

/** Before hours of training, not after. */
function checkNothingUnusable(runs: readonly KnownRun[], reruns: boolean): void {
  for (const { state } of runs) if (state.kind === "unusable" && !reruns) throw state.error;
}

function checkGpu(): void {
  const { cuda } = loadNative().runtimeInfo();
  if (cuda && cuda.problem === "") return;
  const why = cuda ? cuda.problem : "this build of papo is for the CPU";
  throw new ConfigError("--scale", `paper trains 3B and 7B models on a GPU: ${why}; --plan says what it would take, --scale mini runs anywhere`); // prettier-ignore
}

function sayOnStderr(line: string): void {
  process.stderr.write(`${line}\n`);
}
