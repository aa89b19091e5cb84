// The study at the paper's scale: published recipes and data sets, PAPO-Eval's settings, on a GPU.
import { join } from "node:path";
import { loadRunConfig } from "../config/load.ts";
import { dataPath, pathOrId } from "../config/paths.ts";
import type { RunConfig } from "../config/schema.ts";
import { ConfigError } from "../errors.ts";
import { resolveBenchmarks } from "../eval/benchmarks/registry.ts";
import { settingsPresets } from "../eval/benchmarks/settings.ts";
import { numSteps } from "../plan/run-size.ts";
import type { Study, TrainableRun } from "./study.ts";

/** Where copies are of what the recipes name on the hub. */
export interface PaperFiles {
  /** Checkpoint folders by size: `3B`, `7B`. */
  readonly models?: Readonly<Record<string, string>> | undefined;
  readonly train?: string | undefined;
  readonly val?: string | undefined;
  readonly benchmarkData?: string | undefined;
}

export function paperStudyOf({ models = {}, train, val, benchmarkData }: PaperFiles): Study {
  return {
    scale: "paper",
    keepsModels: true,
    configOf: ({ recipe, overrides, size }, seed, work) => {
      const model = models[size];
      return loadRunConfig([
        ...[recipe, ...overrides],
        ...(model === undefined ? [] : [`model.path=${quoted(pathOrId(model, process.cwd()))}`]),
        ...(train === undefined ? [] : [`data.train=${quoted(dataPath(train, process.cwd()))}`]),
        ...(val === undefined ? [] : [`data.val=${quoted(dataPath(val, process.cwd()))}`]),
        ...[`seed=${seed}`, "trainer.device=cuda", "trainer.saveLimit=1", "trainer.saveBest=false"],
        `trainer.outDir=${quoted(join(work, "run"))}`,
      ]);
    },
    sourcesOf: (run) => {
      const { model, data } = publishedConfig(run);
      return Promise.resolve({ model: model.path, train: data.train });
    },
    stepsOf: (run) => {
      const size = numSteps(publishedConfig(run), {});
      if (size) return size.steps;
      throw new ConfigError("data.train", `${run.method}: expected a data set whose number of rows is known`);
    },
    prepare: () => Promise.resolve(),
    evaluationOf: ({ seed }) => ({
      benchmarks: resolveBenchmarks("all", { benchmarkData }),
      settings: { ...settingsPresets.paper, seed },
      engine: { device: "cuda" },
    }),
    classifierOf: () => undefined,
  };
}

/** With the names of model and data that the results are known by, wherever copies of them are. */
const publishedConfig = ({ recipe, overrides }: TrainableRun): RunConfig => loadRunConfig([recipe, ...overrides]);

const quoted = (text: string) => JSON.stringify(text);
