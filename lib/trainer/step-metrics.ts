// Metrics that are computed from what a step saw: lengths, rewards, times, tokens a second.
import { RewardError } from "../errors.ts";
import type { LossReport } from "../native/binding.ts";
import type { TextConfig } from "../policy/model-config.ts";
import type { StepMetrics } from "../types.ts";
import { modelFlopsUtilisation, trainingFlops } from "./flops.ts";

/**
 * `name/mean`, `name/max` and `name/min` of the values; nothing for none.
 * @param counts how often each value counts in the mean, as a response's number does for each of its tokens; default once
 */
export function spreadMetrics(name: string, values: ArrayLike<number>, counts?: ArrayLike<number>): StepMetrics {
  if (values.length === 0) return {};
  let [sum, total, max, min] = [0, 0, -Infinity, Infinity];
  for (const [index, value] of Array.from(values).entries()) {
    const count = counts?.[index] ?? 1;
    sum += value * count;
    total += count;
    max = Math.max(max, value);
    min = Math.min(min, value);
  }
  return { [`${name}/mean`]: sum / total, [`${name}/max`]: max, [`${name}/min`]: min };
}

/**
 * Spread of token counts and the share of those that reach `limit`.
 * Source: compute_length_metrics in the reference's trainer/metrics.py.
 */
export function lengthMetrics(name: string, lengths: readonly number[], limit: number): StepMetrics {
  if (lengths.length === 0) return {};
  const numClipped = lengths.filter((length) => length >= limit).length;
  return { ...spreadMetrics(name, lengths), [`${name}/clip_ratio`]: numClipped / lengths.length };
}

/** The counter beside the parts, `reward/symbolic_skipped`. */
const countedPart = "symbolic_skipped";

/**
 * Mean of each part over the responses that have it, as `reward/overall`, `reward/accuracy` ...
 * @throws {RewardError} for a part with the name of a counter
 */
export function rewardMetrics(rewards: readonly Readonly<Record<string, number>>[]): StepMetrics {
  const byPart = new Map<string, number[]>();
  for (const reward of rewards) {
    for (const [part, value] of Object.entries(reward)) {
      if (part === countedPart)
        throw new RewardError(
          `reward part ${part}: expected another name, reward/${part} counts what papo cannot grade`,
        );
      const values = byPart.get(part);
      if (values) values.push(value);
      else byPart.set(part, [value]);
    }
  }
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return Object.fromEntries([...byPart].map(([part, values]) => [`reward/${part}`, mean(values)]));
}

/**
 * Tokens (prompt and response) of each process in a step, before and after balancing.
 * One process is balanced by nature.
 */
export function seqlenMetrics(processTokens: readonly number[], balancedTokens = processTokens): StepMetrics {
  const [min, max] = [Math.min(...processTokens), Math.max(...processTokens)];
  return {
    "global_seqlen/min": min,
    "global_seqlen/max": max,
    "global_seqlen/minmax_diff": max - min,
    "global_seqlen/balanced_min": Math.min(...balancedTokens),
    "global_seqlen/balanced_max": Math.max(...balancedTokens),
    "global_seqlen/mean": processTokens.reduce((sum, tokens) => sum + tokens, 0) / processTokens.length,
  };
}

/** Phases whose time per token is by response tokens; the others' is by all tokens. */
const responsePhases = ["gen", "reward"] as const;
const tokenPhases = ["old", "aug_probs", "ref", "adv", "update_actor"] as const;

/** What the model-FLOPs figure needs. */
export interface StepWork {
  readonly text: TextConfig;
  /** Tokens of each response with its prompt, as the reference counts them. */
  readonly seqLengths: readonly number[];
  readonly deviceName: string;
}

export interface StepTokens {
  /** Response tokens of the step. */
  readonly responseTokens: number;
  /** Prompt and response tokens of the step. */
  readonly totalTokens: number;
}

/** Phases that run a model. */
const modelPhases = ["gen", "old", "ref", "aug_probs", "update_actor"];

/** Which layers an update ran again, and the peak that the memory model gives it. */
export function recomputeMetrics(report: LossReport): StepMetrics {
  return {
    "perf/recomputed_layers": report.recomputedLayers,
    "perf/recomputed_vision_blocks": report.recomputedBlocks,
    "perf/predicted_peak_gb": report.predictedPeakBytes / 1e9,
  };
}

export interface PhaseTimerOptions {
  /** Clock in ms. */
  readonly now?: () => number;
  /** The most bytes of tensors since it was last called. */
  readonly takePeak?: () => Promise<number>;
}

/** Wall time and peak memory of the phases of one step. */
export class PhaseTimer {
  readonly #seconds = new Map<string, number>();
  readonly #peakBytes = new Map<string, number>();
  readonly #now: () => number;
  readonly #takePeak: PhaseTimerOptions["takePeak"];
  readonly #startMs: number;

  constructor({ now = () => performance.now(), takePeak }: PhaseTimerOptions = {}) {
    this.#now = now;
    this.#takePeak = takePeak;
    this.#startMs = now();
  }

  /**
   * Runs a phase of the step; the time of phases of one name adds up, also when one throws.
   * @param phase its name, or the shares of several that run as one
   */
  async measure<T>(phase: string | Readonly<Record<string, number>>, run: () => T | Promise<T>): Promise<T> {
    await this.#takePeak?.(); // what came before is not the phase's
    const startMs = this.#now();
    try {
      return await run();
    } finally {
      const seconds = (this.#now() - startMs) / 1000;
      const bytes = await this.#takePeak?.();
      for (const [name, part] of Object.entries(typeof phase === "string" ? { [phase]: 1 } : phase)) {
        this.#seconds.set(name, (this.#seconds.get(name) ?? 0) + part * seconds);
        if (bytes !== undefined) this.#peakBytes.set(name, Math.max(this.#peakBytes.get(name) ?? 0, bytes));
      }
    }
  }

  /** Of the step so far, in s. */
  get seconds(): number {
    return (this.#now() - this.#startMs) / 1000;
  }

  /**
   * `timing_s/*` with the whole step, `timing_per_token_ms/*`, `perf/peak_gb/*` of the phases that run a model, and the
   * `perf/` rates on `numDevices` devices.
   */
  metrics({ responseTokens, totalTokens }: StepTokens, numDevices = 1): StepMetrics {
    const stepS = this.seconds;
    const perToken = (phases: readonly string[], tokens: number) =>
      phases
        .filter((phase) => this.#seconds.has(phase) && tokens > 0)
        .map((phase) => [`timing_per_token_ms/${phase}`, ((this.#seconds.get(phase) ?? 0) * 1000) / tokens] as const);
    return {
      ...Object.fromEntries([...this.#seconds].map(([phase, seconds]) => [`timing_s/${phase}`, seconds])),
      "timing_s/step": stepS,
      ...Object.fromEntries(
        [...this.#peakBytes]
          .filter(([phase]) => modelPhases.includes(phase))
          .map(([phase, bytes]) => [`perf/peak_gb/${phase}`, bytes / 1e9]),
      ),
      ...Object.fromEntries([...perToken(responsePhases, responseTokens), ...perToken(tokenPhases, totalTokens)]),
      "perf/total_num_tokens": totalTokens,
      "perf/time_per_step": stepS,
      "perf/throughput": stepS > 0 ? totalTokens / (stepS * numDevices) : 0,
    };
  }

  /** `perf/mfu_actor`: of the update alone, as the reference has it; 0 where the device's peak is not known. */
  mfu({ text, seqLengths, deviceName }: StepWork): StepMetrics {
    const seconds = this.#seconds.get("update_actor") ?? 0;
    return { "perf/mfu_actor": modelFlopsUtilisation(trainingFlops(text, seqLengths), seconds, deviceName) };
  }
}
