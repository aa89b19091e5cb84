// The collapse guard of a run: watches each step, warns, and does what guard.action says when the policy collapses.
// What is a collapse is decided in detector.ts.
import type { GuardConfig } from "../config/schema.ts";
import { CollapseError } from "../errors.ts";
import type { StepMetrics } from "../types.ts";
import {
  alarmsOf,
  type DetectorState,
  initialState,
  isCollapse,
  observe,
  type Reading,
  type SignalName,
} from "./detector.ts";

/** A line of alarms.jsonl. */
export interface AlarmLine {
  readonly signal: SignalName | "collapse";
  /** `again`: a collapse that lasts is acted upon once more. */
  readonly event: "start" | "again" | "end";
  /** What was done; a signal alone is only warned of. Undefined at an end. */
  readonly action?: "warn" | "backoff" | "stop";
  /** Of a signal: the metric that it was judged by, its level, running mean and threshold. */
  readonly metric?: string;
  readonly value?: number;
  readonly mean?: number;
  readonly threshold?: number;
  /** Of a collapse: the signals that make it one. */
  readonly signals?: readonly SignalName[];
  /** Of a collapse: what the configured weight of the perception KL is multiplied by from here on. */
  readonly klPrcpFactor?: number;
}

/** As JSON the same again: what a checkpoint keeps. */
export interface GuardState {
  readonly detector: DetectorState;
  readonly isCollapsed: boolean;
  /** Step of the last action on a collapse; 0: none. */
  readonly actedAt: number;
  /** Of action: backoff. */
  readonly klPrcpFactor: number;
}

/** What a step gave. */
export interface GuardReport {
  readonly metrics: StepMetrics;
  readonly lines: readonly AlarmLine[];
}

export class CollapseGuard {
  readonly #config: GuardConfig;
  #state: GuardState = { detector: initialState, isCollapsed: false, actedAt: 0, klPrcpFactor: 1 };

  constructor(config: GuardConfig) {
    this.#config = config;
  }

  /** What the scheduled weight of the perception KL is multiplied by; 1 unless guard.action is `backoff`. */
  get klPrcpFactor(): number {
    return this.#config.action === "backoff" ? this.#state.klPrcpFactor : 1;
  }

  /**
   * Takes in the metrics of a step that is done.
   * @param step 1-based
   */
  observe(step: number, metrics: StepMetrics): GuardReport {
    if (this.#config.action === "off") return { metrics: {}, lines: [] };
    const { state: detector, readings } = observe(this.#state.detector, this.#config, step, metrics);
    this.#state = { ...this.#state, detector };
    const signalLines = readings.flatMap(signalLine);
    const collapseLines = this.#judge(step);
    return { metrics: readingMetrics(readings, detector), lines: [...signalLines, ...collapseLines] };
  }

  /** The error that ends the run after a step that it is to be stopped at. */
  stopAfter(step: number): CollapseError | undefined {
    const { isCollapsed, actedAt, detector } = this.#state;
    const isStop = this.#config.action === "stop" && isCollapsed && actedAt === step;
    return isStop ? new CollapseError(step, alarmsOf(detector.signals)) : undefined;
  }

  state(): GuardState {
    return this.#state;
  }

  restore(state: GuardState): void {
    this.#state = state;
  }

  #judge(step: number): AlarmLine[] {
    const { detector, isCollapsed: wasCollapsed, actedAt } = this.#state;
    const isCollapsed = isCollapse(detector);
    this.#state = { ...this.#state, isCollapsed };
    if (!isCollapsed) return wasCollapsed ? [{ signal: "collapse", event: "end" }] : [];
    const isDue = actedAt === 0 || step >= actedAt + this.#config.repeatSteps;
    const action = isDue ? this.#act(step) : "warn";
    if (wasCollapsed && action === "warn") return [];
    const line = { signal: "collapse", event: wasCollapsed ? "again" : "start", action } as const;
    const { klPrcpFactor } = this.#state;
    return [{ ...line, signals: alarmsOf(detector.signals), ...(action === "backoff" ? { klPrcpFactor } : {}) }];
  }

  /** Does what guard.action says, where there is something left to do. */
  #act(step: number): "warn" | "backoff" | "stop" {
    const { action, backoff } = this.#config;
    if (action === "stop") {
      this.#state = { ...this.#state, actedAt: step };
      return "stop";
    }
    const klPrcpFactor = Math.max(backoff.floor, this.#state.klPrcpFactor * backoff.factor);
    if (action !== "backoff" || klPrcpFactor >= this.#state.klPrcpFactor) return "warn";
    this.#state = { ...this.#state, actedAt: step, klPrcpFactor };
    return "backoff";
  }
}

function signalLine({ signal, metric, value, mean, threshold, change }: Reading): AlarmLine[] {
  if (change === undefined) return [];
  const action = change === "start" ? ({ action: "warn" } as const) : {};
  return [{ signal, event: change, ...action, metric, value, mean, threshold }];
}

const ratioNames: Partial<Record<SignalName, string>> = { kl_prcp: "guard/k_ratio", clip_fraction: "guard/clip_ratio" };

function readingMetrics(readings: readonly Reading[], { signals }: DetectorState): StepMetrics {
  const ratios = readings.flatMap(({ signal, ratio }) => {
    const name = ratioNames[signal];
    return name === undefined ? [] : [[name, ratio] as const];
  });
  return { "guard/alarms": alarmsOf(signals).length, ...Object.fromEntries(ratios) };
}
