// Coefficients that move over a run: the weight of the perception KL by step, and that of the KL in the reward by
// what the KL was.
import type { AlgorithmConfig } from "../config/schema.ts";

/**
 * Weight of the perception KL at a training step. `fixed`: klPrcp.coef. `annealing`: a line from start at step 1 to end
 * at step T + 1, T = max(1, floor(totalSteps * ratio)), and end from then on.
 * @param step 1-based training step
 * @throws {RangeError} when step < 1
 */
export function klPrcpCoefAt(config: AlgorithmConfig["klPrcp"], step: number, totalSteps: number): number {
  if (step < 1) throw new RangeError(`[klPrcpCoefAt] step: expected 1 or more, got ${step}`);
  if (config.schedule === "fixed") return config.coef;
  const { start, end, ratio } = config.annealing;
  const annealingSteps = Math.max(1, Math.floor(totalSteps * ratio));
  return start + (end - start) * Math.min((step - 1) / annealingSteps, 1);
}

/** Survives a restart: what a checkpoint keeps of a controller. */
export interface KlControllerState {
  readonly coef: number;
}

/**
 * Weight of the KL that is taken from the reward (algorithm.klRef.mode `reward`). `adaptive` follows a target:
 * coef *= 1 + clip(kl / target - 1, -0.2, 0.2) * numResponses / horizon.
 */
export class KlController {
  readonly #config: AlgorithmConfig["klRef"];
  #coef: number;

  constructor(config: AlgorithmConfig["klRef"]) {
    this.#config = config;
    this.#coef = config.coef;
  }

  get coef(): number {
    return this.#coef;
  }

  /**
   * @param kl mean over responses of their mean KL a token, nats
   * @param numResponses responses of the rollout batch
   */
  update(kl: number, numResponses: number): void {
    const { type, target, horizon } = this.#config;
    if (type === "fixed") return;
    const error = Math.min(Math.max(kl / target - 1, -0.2), 0.2);
    this.#coef *= 1 + (error * numResponses) / horizon;
  }

  state(): KlControllerState {
    return { coef: this.#coef };
  }

  restore(state: KlControllerState): void {
    if (!Number.isFinite(state.coef)) throw new RangeError(`[KlController] coef: expected a number, got ${state.coef}`);
    this.#coef = state.coef;
  }
}
