import type { StepMetrics } from "../types.ts";
import { colorsFor, formatDuration, formatNumber, lineWidth } from "./terminal.ts";
import type { OutputStream } from "./terminal.ts";

interface Column {
  readonly title: string;
  readonly width: number;
  readonly show: (metrics: StepMetrics) => string;
}

const headerEvery = 20;
const leftWidth = 8;

/** In order of importance: a narrow terminal gets the first ones. */
const columns: readonly Column[] = [
  number("reward", 7, "reward/overall"),
  number("accuracy", 8, "reward/accuracy"),
  number("format", 7, "reward/format"),
  { title: "time", width: 7, show: (metrics) => formatDuration(metrics["timing_s/step"] ?? NaN) },
  number("length", 7, "response_length/mean"),
  number("tok/s", 6, "perf/throughput"),
  number("kl_prcp", 8, "actor/kl_prcp_loss"),
  number("entropy", 8, "actor/entropy_loss"),
  number("kl", 8, "actor/kl_loss"),
  number("clipped", 8, "actor/pg_clipfrac_higher"),
  number("grad", 7, "actor/grad_norm"),
  number("lr", 8, "actor/lr"),
  number("loss", 8, "actor/total_loss"),
];

/** What the time left counts, on average over the steps so far. */
const timed = ["timing_s/step", "timing_s/validation", "timing_s/save_checkpoint"];

function number(title: string, width: number, metric: string): Column {
  return { title, width, show: (metrics) => formatNumber(metrics[metric]) };
}

/** One line a step, with a header every 20 lines and the time left; validation lines stand out. */
export class StepTable {
  readonly #stream: OutputStream;
  readonly #totalSteps: number;
  readonly #bold: (text: string) => string;
  #numLines = 0;
  #numSteps = 0;
  #seconds = 0;

  constructor(
    stream: OutputStream,
    totalSteps: number,
    env: Readonly<Record<string, string | undefined>> = process.env,
  ) {
    this.#stream = stream;
    this.#totalSteps = totalSteps;
    const colors = colorsFor(stream, env);
    this.#bold = (text) => colors.bold(text);
  }

  print(step: number, metrics: StepMetrics): void {
    const isTrained = metrics["reward/overall"] !== undefined || metrics["timing_s/step"] !== undefined;
    if (isTrained) this.#printStep(step, metrics);
    if (metrics["val/reward_score"] !== undefined) this.#printValidation(step, metrics);
  }

  #printStep(step: number, metrics: StepMetrics): void {
    this.#numSteps += 1;
    this.#seconds += timed.reduce((sum, name) => sum + (metrics[name] ?? 0), 0);
    const left = formatDuration((this.#seconds / this.#numSteps) * (this.#totalSteps - step));
    const stepWidth = Math.max(4, 2 * this.#totalSteps.toString().length + 1);
    const shown = fitting(lineWidth(this.#stream) - stepWidth - leftWidth - 1);
    const line = (first: string, cells: readonly string[], last: string) =>
      [first.padStart(stepWidth), ...cells, last.padStart(leftWidth)].join(" ");
    if (this.#numLines % headerEvery === 0) {
      const titles = shown.map(({ title, width }) => title.padStart(width));
      this.#stream.write(`${this.#bold(line("step", titles, "left"))}\n`);
    }
    this.#numLines += 1;
    const cells = shown.map(({ show, width }) => show(metrics).padStart(width));
    this.#stream.write(`${line(`${step}/${this.#totalSteps}`, cells, left)}\n`);
  }

  #printValidation(step: number, metrics: StepMetrics): void {
    const parts = Object.entries(metrics)
      .filter(([name]) => /^val\/[^/]+_reward$/.test(name))
      .map(([name, value]) => `${name.slice("val/".length, -"_reward".length)} ${formatNumber(value)}`);
    this.#stream.write(`${this.#bold(`validation at step ${step}:`)} ${parts.join(", ")}\n`);
  }
}

/** The first columns that fit into `width`. */
function fitting(width: number): Column[] {
  let used = 0;
  return columns.filter((column) => {
    used += column.width + 1;
    return used <= width;
  });
}
