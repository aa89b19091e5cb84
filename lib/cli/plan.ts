import type { Command } from "@commander-js/extra-typings";
import { integerFrom } from "./option-values.ts";

/** `papo plan`: what a run will take in memory, time and GPU-hours, predicted. */
export function registerPlan(program: Command): void {
  program
    .command("plan")
    .description("predict a run's memory, step time and GPU-hours from its settings; needs no checkpoint and no GPU")
    .argument("<config>", "a recipe's name, a YAML file, or config=FILE in the reference's own format")
    .argument("[overrides...]", "settings as key=value, for example optim.microBatchTokens=8192")
    .requiredOption("--gpus <set>", "COUNTxNAME, for example 2xh100")
    .option("--prompt-tokens <count>", "mean prompt, its picture included", integerFrom(1))
    .option("--image-tokens <count>", "those of the prompt that are its picture's; 0: text only", integerFrom(0))
    .option("--response-tokens <count>", "mean response", integerFrom(1))
    .option("--steps <count>", "training steps", integerFrom(1))
    .option("--examples <count>", "rows of the training set, where papo does not know them", integerFrom(1))
    .option("--json", "print one JSON object")
    .action(async (config, overrides, { gpus, json, ...options }) => {
      const { loadRunConfig } = await import("../config/load.ts");
      const { parseGpus } = await import("../plan/gpus.ts");
      const { planRun } = await import("../plan/plan.ts");
      const { planJson, planText } = await import("../plan/print.ts");
      const plan = await planRun(loadRunConfig([config, ...overrides]), { ...options, gpus: parseGpus(gpus) });
      process.stdout.write(json === true ? `${JSON.stringify(planJson(plan), null, 2)}\n` : planText(plan));
      // As `papo doctor`: the report is there, and what it found is in the exit code.
      if (!plan.fits) process.exitCode = 1;
    });
}
