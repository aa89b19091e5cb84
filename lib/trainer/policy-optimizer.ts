// AdamW over a policy's weights, with the count of steps that a non-finite gradient has skipped.
import type { RunConfig } from "../config/schema.ts";
import { NonFiniteError } from "../errors.ts";
import type { OptimizerHandle } from "../native/binding.ts";
import { callNative } from "../native/call.ts";
import { loadNative } from "../native/load.ts";
import type { Policy } from "../policy/policy.ts";
import type { StepMetrics } from "../types.ts";

export class PolicyOptimizer implements Disposable {
  readonly policy: Policy;
  readonly handle: OptimizerHandle;
  readonly #config: RunConfig["optim"];
  /** Optimizer steps in a row that were skipped; checkpoints keep it. */
  skippedInRow = 0;

  private constructor(policy: Policy, handle: OptimizerHandle, config: RunConfig["optim"]) {
    this.policy = policy;
    this.handle = handle;
    this.#config = config;
  }

  static async create(config: RunConfig["optim"], policy: Policy): Promise<PolicyOptimizer> {
    const { strategy, betas, eps, weightDecay } = config;
    const handle = await callNative({}, () =>
      loadNative().createOptimizer(policy.handle, { strategy, beta1: betas[0], beta2: betas[1], eps, weightDecay }),
    );
    return new PolicyOptimizer(policy, handle, config);
  }

  /**
   * One optimizer step with the gradient that has been added up; clips it to optim.maxGradNorm and zeroes it.
   * @param step training step, for the error
   * @throws {NonFiniteError} when more than optim.maxSkippedInRow steps in a row had a non-finite gradient
   */
  async step(lr: number, step: number): Promise<StepMetrics> {
    const { maxGradNorm } = this.#config;
    const { gradNorm, skipped } = await callNative({}, () =>
      loadNative().optimizerStep(this.handle, this.policy.handle, lr, maxGradNorm),
    );
    if (skipped) return this.skip(step);
    this.skippedInRow = 0;
    return { "actor/grad_norm": gradNorm, "actor/skipped_updates": 0 };
  }

  /**
   * Counts an optimizer step that is not taken, because its forward pass or its gradient was not finite.
   * @throws {NonFiniteError} when more than optim.maxSkippedInRow in a row were not
   */
  skip(step: number): StepMetrics {
    const { maxSkippedInRow } = this.#config;
    this.skippedInRow += 1;
    if (this.skippedInRow <= maxSkippedInRow) return { "actor/skipped_updates": 1 };
    throw new NonFiniteError(
      "actor/grad_norm",
      step,
      `the gradient was not finite ${this.skippedInRow} optimizer steps in a row (optim.maxSkippedInRow ${maxSkippedInRow})`,
    );
  }

  [Symbol.dispose](): void {
    loadNative().dispose(this.handle);
  }
}
