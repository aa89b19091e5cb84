// Progress of a phase within a step: a bar on a terminal, an occasional plain line in a file, on stderr.
import { SingleBar } from "cli-progress";
import { formatDuration, formatNumber, isTerminal, lineWidth } from "./terminal.ts";

export interface PhaseProgress extends Disposable {
  /**
   * @param done of the phase's total
   * @param numTokens tokens handled so far, for the rate
   */
  update(done: number, numTokens?: number): void;
}

export interface PhaseState {
  readonly name: string;
  /** Of what `done` and `total` count. */
  readonly unit: string;
  readonly done: number;
  readonly total: number;
  readonly numTokens: number;
  readonly elapsedS: number;
}

/** In files: a line at most this often, so that only long phases show. */
const plainLineMs = 10_000;
const barWidth = 24;
/** Narrower lines have no bar. */
const minBarLineWidth = 72;

/** `rollout [=====-----]  50% 80/160 responses, 1230 tok/s, 1:05 left`, at most `width` characters. */
export function phaseLine(state: PhaseState, width: number): string {
  const share = state.total > 0 ? Math.min(1, state.done / state.total) : 1;
  const filled = Math.round(share * barWidth);
  const bar = width < minBarLineWidth ? "" : `[${"=".repeat(filled)}${"-".repeat(barWidth - filled)}] `;
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  const parts = [`${state.name} ${bar}${percent} ${state.done}/${state.total} ${state.unit}`];
  if (state.numTokens > 0 && state.elapsedS > 0)
    parts.push(`${formatNumber(Math.round(state.numTokens / state.elapsedS))} tok/s`);
  if (share > 0 && share < 1) parts.push(`${formatDuration((state.elapsedS * (1 - share)) / share)} left`);
  return parts.join(", ").slice(0, width);
}

/** Starts phases; one at a time is shown. */
export class Progress {
  readonly #stream: NodeJS.WriteStream;
  readonly #env: Readonly<Record<string, string | undefined>>;

  constructor(
    stream: NodeJS.WriteStream = process.stderr,
    env: Readonly<Record<string, string | undefined>> = process.env,
  ) {
    this.#stream = stream;
    this.#env = env;
  }

  /** Shows a phase until disposed. */
  phase(name: string, total: number, unit: string): PhaseProgress {
    const startMs = performance.now();
    let numTokens = 0;
    const elapsedS = () => (performance.now() - startMs) / 1000;
    const onTerminal = isTerminal(this.#stream, this.#env);
    const isDumb = this.#stream.isTTY && !onTerminal; // cli-progress would send it control codes
    const bar = new SingleBar({
      stream: this.#stream,
      noTTYOutput: true,
      notTTYSchedule: plainLineMs,
      clearOnComplete: true,
      linewrap: true, // leave the terminal's setting alone: lines are cut here
      fps: 5,
      format: (_options, params) =>
        phaseLine({ name, unit, done: params.value, total, numTokens, elapsedS: elapsedS() }, lineWidth(this.#stream)),
    });
    let started = false;
    return {
      update: (done, tokens = 0) => {
        numTokens = tokens;
        if (isDumb) return;
        if (!started && (onTerminal || elapsedS() * 1000 >= plainLineMs)) {
          bar.start(total, done);
          started = true;
        } else if (started) bar.update(done);
      },
      [Symbol.dispose]: () => {
        if (started) bar.stop();
      },
    };
  }
}
