import { type Command, Option } from "@commander-js/extra-typings";
import { integerFrom } from "./option-values.ts";

export function registerBench(program: Command): void {
  const bench = program.command("bench").description("measure papo on this machine");
  registerStep(bench);
}

const from = (least: number) => integerFrom(least, 2 ** 31);

function registerStep(bench: Command): void {
  bench
    .command("step")
    .description("time one PAPO step; the last line printed is a JSON object of seconds by phase, tokens and memory")
    .argument("<model>", "checkpoint folder; no tokenizer is needed")
    .argument("<workload>", 'JSON file: {"prompts": [{"input_ids": [...], "images": ["a.png", ...]}, ...]}')
    .option("--n <count>", "responses a prompt", from(1), 5)
    .option("--response <tokens>", "length of each response", from(1), 128)
    .option("--mini <responses>", "responses an optimizer step; 0: all", from(0), 0)
    .option("--steps <count>", "steps in a row", from(1), 1)
    .option("--threads <count>", "threads of libtorch", from(1), 2)
    .option("--micro-tokens <rows>", "rows of a micro-batch", from(1), 4096)
    .option("--seed <integer>", "root of the random numbers", from(0), 0)
    .addOption(
      new Option("--dtype <type>", "of the weights").choices(["float32", "bfloat16"] as const).default("float32"),
    )
    .option("--lengths <list>", "cut the responses to these lengths, round and round: 128,7,64")
    .option("--checkpoint-activations", "run each layer again in the backward pass instead of keeping its activations")
    .option("--record <file>", "write responses and log-probs as JSON, to be checked against another implementation")
    .option("--json", "print the JSON line only")
    .action(async (model, workload, options) => {
      const { benchStep } = await import("../bench/step-command.ts");
      await benchStep(model, workload, options);
    });
}
