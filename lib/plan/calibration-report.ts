// How far the model of the published system is from the published times: two sizes, three times each.
import { loadRunConfig } from "../config/load.ts";
import { publishedTimes } from "./calibration.ts";
import type { Calibration } from "./calibration.ts";
import { parseGpus } from "./gpus.ts";
import { publishedModelSizes } from "./model-sizes.ts";
import { publishedStep } from "./published.ts";
import { publishedLengths } from "./workload.ts";

/** Seconds: what was published, what the model gives, and (model / published - 1). */
export interface Comparison {
  readonly size: "3B" | "7B";
  readonly what: "GRPO step" | "PAPO step" | "masked forward";
  readonly gpus: string;
  readonly published: number;
  readonly predicted: number;
  readonly error: number;
  /** Whether the constants were fitted to it. */
  readonly fitted: boolean;
}

function stepOf(recipe: string, calibration: Calibration, gpus: string) {
  const run = loadRunConfig([recipe]);
  const model = publishedModelSizes(run.model.path);
  return publishedStep({ model, run, gpus: parseGpus(gpus), lengths: publishedLengths, calibration });
}

/** All six published times beside the model's. */
export function calibrationReport(calibration: Calibration): Comparison[] {
  return (["3B", "7B"] as const).flatMap((size) => {
    const { gpus, ...times } = publishedTimes[size];
    const recipe = `qwen2_5_vl_${size.toLowerCase()}_grpo`;
    const papo = stepOf(`${recipe}_papo`, calibration, gpus);
    const compare = (what: Comparison["what"], published: number, predicted: number): Comparison => {
      return { size, what, gpus, published, predicted, error: predicted / published - 1, fitted: size === "3B" };
    };
    return [
      compare("GRPO step", times.grpo, stepOf(recipe, calibration, gpus).total),
      compare("PAPO step", times.papo, papo.total),
      compare("masked forward", times.maskedForward, papo.aug),
    ];
  });
}
