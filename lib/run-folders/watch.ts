// `papo watch`: a run's numbers as they come, from its folder alone. A terminal gets a frame that redraws itself, anything
// else a line a step.
import { stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ConfigError } from "../errors.ts";
import { readRunRecord } from "../trainer/run-record.ts";
import { readRunStatus, type RunStatus } from "../trainer/run-status.ts";
import { StepTable } from "../trainer/step-table.ts";
import { colorsFor, isTerminal, lineWidth, type OutputStream } from "../trainer/terminal.ts";
import type { StepMetrics } from "../types.ts";
import { runState } from "./describe-run.ts";
import { type LoggedStep, MetricsTail } from "./metrics-tail.ts";
import { printable } from "./text.ts";
import { type Watched, watchFrame } from "./watch-frame.ts";

export interface WatchOptions {
  readonly stdout: OutputStream & { readonly rows?: number };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds between looks. */
  readonly intervalMs: number;
  /** Show what is there and stop. */
  readonly once: boolean;
  readonly signal: AbortSignal;
}

/** Steps that a frame's sparklines cover. */
const maxSteps = 10_000;
const home = "\u001b[H";
const eraseBelow = "\u001b[J";
const eraseLine = "\u001b[K";

/**
 * Until the run ends, or the signal.
 * @throws {ConfigError} when the folder holds no run, or is removed meanwhile
 */
export async function watchRun(dir: string, options: WatchOptions): Promise<void> {
  await readRunRecord(dir);
  const tail = new MetricsTail(dir);
  const view = isTerminal(options.stdout, options.env) ? new Frames(options) : new Lines(options);
  let steps: LoggedStep[] = [];
  for (;;) {
    const state = await stateOf(dir); // before the metrics: those of the end are then there too
    const read = await tail.read();
    steps = [...(read.restarted ? [] : steps), ...read.steps].slice(-maxSteps);
    view.show({ name: basename(resolve(dir)), ...state, steps }, read.steps);
    if (options.once || state.state !== "running") return;
    const isOver = await sleep(options.intervalMs, false, { signal: options.signal }).catch(() => true);
    if (isOver) return;
  }
}

async function stateOf(dir: string): Promise<Pick<Watched, "state" | "totalSteps" | "message">> {
  if (!(await stat(dir).catch(() => undefined))?.isDirectory())
    throw new ConfigError(printable(dir), "the run folder is no longer there");
  const status = await readRunStatus(dir);
  const state = await runState(dir, status);
  return { state, totalSteps: status?.totalSteps, message: state === "running" ? undefined : status?.message };
}

interface View {
  show(run: Watched, newSteps: readonly LoggedStep[]): void;
}

class Frames implements View {
  readonly #stdout: WatchOptions["stdout"];
  readonly #look: { readonly bold: (text: string) => string; readonly unicode: boolean };

  constructor({ stdout, env }: WatchOptions) {
    this.#stdout = stdout;
    const { bold } = colorsFor(stdout, env);
    this.#look = { bold: (text) => bold(text), unicode: /utf-?8/iu.test(localeOf(env)) };
    stdout.write(home + eraseBelow);
  }

  show(run: Watched): void {
    const lines = watchFrame(run, { ...this.#look, width: lineWidth(this.#stdout) });
    const fitting = lines.slice(0, Math.max(2, (this.#stdout.rows ?? 24) - 1));
    this.#stdout.write(`${home}${fitting.map((line) => `${line}${eraseLine}\n`).join("")}${eraseBelow}`);
  }
}

/** As the training run itself prints them. */
class Lines implements View {
  readonly #options: WatchOptions;
  #table: StepTable | undefined;
  #state: RunStatus["state"] | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  show(run: Watched, newSteps: readonly LoggedStep[]): void {
    const { stdout, env } = this.#options;
    if (newSteps.length > 0) this.#table ??= new StepTable(stdout, run.totalSteps ?? newSteps.at(-1)?.step ?? 0, env);
    for (const { step, ...metrics } of newSteps) this.#table?.print(step, finite(metrics));
    if (run.state !== this.#state) {
      const reason = run.message === undefined ? "" : `: ${printable(run.message)}`;
      stdout.write(`${printable(run.name)} is ${run.state}${reason}\n`);
    }
    this.#state = run.state;
  }
}

function finite(metrics: Readonly<Record<string, number | null>>): StepMetrics {
  return Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, value ?? Number.NaN]));
}

const localeOf = (env: WatchOptions["env"]) => [env.LC_ALL, env.LC_CTYPE, env.LANG].find((value) => value) ?? "";
