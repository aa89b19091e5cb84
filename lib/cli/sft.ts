import type { Command } from "@commander-js/extra-typings";
import { runWords } from "./run-words.ts";

export function registerSft(program: Command): void {
  program
    .command("sft")
    .description("warm-start a policy on the rows' own responses (data.responseKey)")
    .argument("<config>", "a recipe's name, a YAML file, or config=FILE in the reference's own format")
    .argument("[overrides...]", "settings as key=value, for example data.train=rows.jsonl optim.lr=1e-6")
    .option("--out <dir>", "run folder (trainer.outDir)")
    .option("--resume", "go on from the run folder's newest checkpoint")
    .action(async (config, overrides, { out, resume }) => {
      const { trainSupervised } = await import("../trainer/sft.ts");
      const { withInterrupt } = await import("./interrupt.ts");
      const run = runWords(config, overrides, out);
      const result = await withInterrupt((signal) => trainSupervised(run, { resume: resume ?? false, signal }));
      console.log(`run folder: ${result.runDir}`);
      if (result.checkpointDir !== "") console.log(`checkpoint: ${result.checkpointDir}`);
    });
}
