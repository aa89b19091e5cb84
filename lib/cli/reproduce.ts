import { type Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { integerFrom } from "./option-values.ts";

/** `papo reproduce`: the paper's tables and figures, from trainings to rendered files. */
export function registerReproduce(program: Command): void {
  program
    .command("reproduce")
    .description(
      "train, evaluate and render tables and figures of the paper; started again, it goes on where it stopped",
    )
    .argument("<names...>", "table1 ... figure12, or all")
    .addOption(
      new Option("--scale <name>", "paper: the published recipes on a GPU; mini: the miniature world on a CPU")
        .choices(["paper", "mini"] as const)
        .default("mini" as const),
    )
    .option("--seeds <count>", "seeds 1 to this of each run (default: what each table says)", integerFrom(1, 100))
    .option("--plan", "print the runs, what is done and what is left, and do nothing")
    .option("--render", "only render the tables of what results there are")
    .option("--out <dir>", "folder of runs and tables (default: results/<scale>)")
    .option("--only <method>", "of the runs only those of this method, e.g. papo_g; repeatable", collect)
    .option("--only-seed <seed>", "likewise of this seed; repeatable", collectSeeds)
    .option("--rerun", "do runs again whose results are of other settings or damaged")
    .option("--keep-checkpoints", "leave work/ with checkpoints and samples (at scale paper it is always left)")
    .option("--gpus <set>", "predict GPU-hours for COUNTxNAME (default: 2xh100 for 3B, 4xh100 for 7B)")
    .option("--model <size=dir>", "a copy of the checkpoint that 3B or 7B starts from; repeatable", collectModels)
    .option("--train <spec>", "a copy of the training set of scale paper")
    .option("--val <spec>", "likewise of the validation set")
    .option("--benchmark-data <dir>", "as of papo eval")
    .action(
      async (
        names,
        {
          scale,
          plan,
          render,
          out,
          onlySeed,
          rerun,
          keepCheckpoints,
          gpus,
          model,
          train,
          val,
          benchmarkData,
          ...options
        },
      ) => {
        // prettier-ignore
        const { reproduce } = await import("../reproduce/reproduce.ts");
        const { paperStudyOf } = await import("../reproduce/paper-study.ts");
        const { miniatureStudy, miniatureStudyOf } = await import("../reproduce/miniature-study.ts");
        const { parseGpus } = await import("../plan/gpus.ts");
        const { withInterrupt } = await import("./interrupt.ts");
        const mode = plan === true ? "plan" : render === true ? "render" : "run";
        const study = scale === "mini" ? miniatureStudyOf(miniatureStudy) : paperStudyOf({ models: model, train, val, benchmarkData }); // prettier-ignore
        await withInterrupt((signal) =>
          reproduce({
            ...{ ...options, names, study, mode, signal, onlySeeds: onlySeed, reruns: rerun },
            out: out ?? `results/${scale}`,
            ...(keepCheckpoints === true && { keepsWork: true }),
            ...(gpus !== undefined && { gpus: parseGpus(gpus) }),
            print: (text) => void process.stdout.write(text),
          }),
        );
      },
    );
}

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

function collectSeeds(value: string, before: readonly number[] = []): number[] {
  return [...before, integerFrom(1)(value)];
}

function collectModels(value: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const [size = "", dir = ""] = value.split(/=(.*)/su);
  if ((size === "3B" || size === "7B") && dir !== "") return { ...before, [size]: dir };
  throw new InvalidArgumentError("Expected 3B=DIR or 7B=DIR.");
}
