import { type Command, Option } from "@commander-js/extra-typings";
import { integerFrom, numberIn, samplingOptions } from "./option-values.ts";

export function registerBench(program: Command): void {
  const bench = program.command("bench").description("measure papo on this machine");
  registerStep(bench);
  registerRollout(bench);
  registerOps(bench);
  registerKernels(bench);
}

const dtype = () =>
  new Option("--dtype <type>", "of the weights").choices(["float32", "bfloat16"] as const).default("float32");
const from = (least: number) => integerFrom(least, 2 ** 31);

const modelText = "checkpoint folder; no tokenizer is needed";
const workloadText = 'JSON file: {"prompts": [{"input_ids": [...], "images": ["a.png", ...]}, ...]}';

function registerStep(bench: Command): void {
  bench
    .command("step")
    .description("time one PAPO step; the last line printed is a JSON object of seconds by phase, tokens and memory")
    .argument("<model>", modelText)
    .argument("<workload>", workloadText)
    .option("--n <count>", "responses a prompt", from(1), 5)
    .option("--response <tokens>", "length of each response", from(1), 128)
    .option("--mini <responses>", "responses an optimizer step; 0: all", from(0), 0)
    .option("--steps <count>", "steps in a row", from(1), 1)
    .option("--threads <count>", "threads of libtorch", from(1), 2)
    .option("--micro-tokens <rows>", "rows of a micro-batch; default: 1024, or those of the largest group", from(1))
    .option("--seed <integer>", "root of the random numbers", from(0), 0)
    .addOption(dtype())
    .addOption(samplingOptions.device())
    .option("--random-weights", "draw weights for the folder's config.json, whose weight files are not needed", false)
    .addOption(
      new Option("--optimizer <strategy>", "adamw_bf16 takes half the memory")
        .choices(["adamw", "adamw_bf16"] as const)
        .default("adamw"),
    )
    .option("--lengths <list>", "cut the responses to these lengths, round and round: 128,7,64")
    .addOption(
      new Option(
        "--activation-checkpoint <mode>",
        "run layers again in the backward pass: all, none, or as memory asks",
      )
        .choices(["true", "false", "auto"] as const)
        .default("auto"),
    )
    .option("--memory-gib <size>", "most that tensors may take", numberIn(0.001, 1e6))
    .option("--record <file>", "write responses and log-probs as JSON, to be checked against another implementation")
    .option("--json", "print the JSON line only")
    .action(async (model, workload, options) => {
      const { benchStep } = await import("../bench/step-command.ts");
      await benchStep(model, workload, options);
    });
}

function registerRollout(bench: Command): void {
  bench
    .command("rollout")
    .description("tokens/s of sampling against responses a prompt and responses decoded together")
    .argument("<model>", modelText)
    .argument("<workload>", workloadText)
    .option("--n <list>", "responses a prompt, one run each", "1,5,8")
    .option("--concurrent <list>", "responses decoded together, one run each", "8,64,256")
    .option("--response <tokens>", "length of each response", from(1), 128)
    .option("--threads <count>", "threads of libtorch", from(1), 2)
    .option("--seed <integer>", "root of the random numbers", from(0), 0)
    .addOption(dtype())
    .addOption(samplingOptions.device())
    .option("--random-weights", "draw weights for the folder's config.json, whose weight files are not needed", false)
    .option("--json", "print the JSON line only")
    .action(async (model, workload, options) => {
      const { benchRollout } = await import("../bench/rollout-command.ts");
      await benchRollout(model, workload, options);
    });
}

function registerOps(bench: Command): void {
  bench
    .command("ops")
    .description("check single ops against their composed references and time both; a build with PAPO_TESTING alone")
    .addOption(
      new Option("--size <name>", "of the peer's models, or of the 3B's layers (10 GB of memory; 3b-update: 40 GB)")
        .choices(["s", "m", "3b", "3b-update"] as const)
        .default("s"),
    )
    .addOption(samplingOptions.device())
    .option("--ops <list>", "these alone: linear,group_attention,...")
    .option("--seconds <number>", "each form of an op runs so long, three times or more", numberIn(0.001, 60), 0.3)
    .option("--threads <count>", "threads of libtorch", from(1), 2)
    .option("--json", "print one JSON object")
    .action(async (options) => {
      const { benchOps } = await import("../bench/ops-command.ts");
      process.exitCode = await benchOps(options);
    });
}

function registerKernels(bench: Command): void {
  bench
    .command("kernels")
    .description("what the GPU kernels move and compute at the sizes of the published recipes; no GPU is needed")
    .option("--roofline", "the only report there is, and the default")
    .option("--gpu <name>", "h100, h200, a100 or b200", "h100")
    .option("--json", "print one JSON object")
    .action(async (options) => {
      const { benchKernels } = await import("../bench/kernels-command.ts");
      benchKernels(options);
    });
}
