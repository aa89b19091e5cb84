import type { Command } from "@commander-js/extra-typings";
import { integerFrom } from "./option-values.ts";

/** `papo quickstart`: PAPO on the shipped tiny model and handwritten digits, in a few minutes. */
export function registerQuickstart(program: Command): void {
  program
    .command("quickstart")
    .description("train the shipped tiny model with PAPO on pictures of handwritten digits and show what it learns")
    .option("--out <dir>", "run folder (default: runs/quickstart, or the next free one)")
    .option("--steps <count>", "training steps", integerFrom(1, 100_000), 200)
    .option("--seed <integer>", "root of the random numbers", integerFrom(0), 1)
    .option(
      "--recipe <name>",
      "miniature-papo, miniature-grpo, miniature-dapo or miniature-dapo-papo",
      "miniature-papo",
    )
    .action(async (options) => {
      const { quickstart, summaryOf } = await import("../miniature/quickstart.ts");
      const { withInterrupt } = await import("./interrupt.ts");
      const say = (line: string): void => {
        process.stdout.write(`${line}\n`);
      };
      const result = await withInterrupt((signal) => quickstart({ ...options, signal, say }));
      process.stdout.write(summaryOf(result));
    });
}
