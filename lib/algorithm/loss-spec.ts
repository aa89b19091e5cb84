// The resolved algorithm section at one step as the native LossSpec.
import type { AlgorithmConfig } from "../config/schema.ts";
import type { LossSpec } from "../native/binding.ts";

/** Whether the objective needs log-probs of the policy on the masked picture. */
export function needsAugLogProbs({ klPrcp, entropy }: AlgorithmConfig): boolean {
  return klPrcp.enabled || entropy.augCoef !== 0;
}

/**
 * Factor of both entropy terms while the perception KL anneals: its weight at this step over klPrcp.coef.
 * 1 without the perception KL, and where klPrcp.coef is 0: such a run has no entropy terms (lib/config/checks.ts).
 */
export function entropyDiscount({ klPrcp }: AlgorithmConfig, klPrcpCoef: number): number {
  if (!klPrcp.enabled || klPrcpCoef === klPrcp.coef || klPrcp.coef === 0) return 1;
  return klPrcpCoef / klPrcp.coef;
}

function clips({ policyLoss, gspo, ...ppo }: AlgorithmConfig): Pick<LossSpec, "clipLow" | "clipHigh" | "clipDual"> {
  return policyLoss === "gspo"
    ? { clipLow: gspo.clipRatioLow, clipHigh: gspo.clipRatioHigh }
    : { clipLow: ppo.clipRatioLow, clipHigh: ppo.clipRatioHigh, clipDual: ppo.clipRatioDual };
}

function klTerms({ klRef, klPrcp }: AlgorithmConfig, coef: number): Pick<LossSpec, "klRef" | "klPrcp"> {
  const { estimator, tokenTopP, clipping } = klPrcp;
  return {
    ...(klRef.mode === "loss" ? { klRef: { coef: klRef.coef, estimator: klRef.estimator } } : {}),
    ...(klPrcp.enabled
      ? {
          klPrcp: {
            coef,
            estimator,
            ...(tokenTopP === null ? {} : { tokenTopP }),
            ...(clipping === null ? {} : { clip: clipping }),
          },
        }
      : {}),
  };
}

/**
 * What to optimise at one step.
 * @param klPrcpCoef weight of the perception KL at this step (klPrcpCoefAt)
 * @param klPrcpFactor what the collapse guard has left of that weight; the entropies, which work against a collapse,
 *   keep theirs
 */
export function lossSpec(algorithm: AlgorithmConfig, klPrcpCoef: number, klPrcpFactor = 1): LossSpec {
  const { entropy } = algorithm;
  const discount = entropyDiscount(algorithm, klPrcpCoef);
  return {
    policyLoss: algorithm.policyLoss,
    ...clips(algorithm),
    ...klTerms(algorithm, klPrcpCoef * klPrcpFactor),
    augEntropyCoef: entropy.augCoef * discount,
    oriEntropyCoef: entropy.oriCoef * discount,
    entropy: entropy.kind,
    sftCoef: algorithm.sft.coef,
  };
}
