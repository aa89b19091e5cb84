// What a run is made of: one strict object per owner, every setting with its meaning and unit. Defaults are those of
// the reference's structured config where it has the setting. Rules that join settings are in checks.ts and
// without-effect.ts; reading files is load.ts.
import { z } from "zod";
import { choice, integer, text } from "./fields.ts";
import { algorithmSchema, augSchema } from "./schema-algorithm.ts";
import { dataSchema, modelSchema } from "./schema-data.ts";
import { guardSchema } from "./schema-guard.ts";
import { rewardSchema, rolloutSchema } from "./schema-rollout.ts";
import { optimSchema, trainerSchema } from "./schema-trainer.ts";

/** A run as it is written, before defaults that depend on other settings are filled in. */
export const runSchema = z.strictObject({
  compat: choice(["none", "reference"])
    .default("none")
    .describe("reference: the published code's behaviour where it can be observed"),
  seed: integer({ min: 0 }).default(1).describe("Root of every random number of the run"),
  model: modelSchema.describe("The policy"),
  data: dataSchema.prefault({}).describe("Data sets and prompts"),
  rollout: rolloutSchema.prefault({}).describe("Sampling of responses"),
  reward: rewardSchema.prefault({}).describe("Reward of a response"),
  algorithm: algorithmSchema.prefault({}).describe("The objective"),
  aug: augSchema.prefault({}).describe("The masked picture"),
  optim: optimSchema.prefault({}).describe("The optimizer"),
  trainer: trainerSchema.prefault({}).describe("The run"),
  guard: guardSchema.prefault({}).describe("The collapse guard"),
});

/** What a config file may hold: a run in parts, `extends`, and the short form of `reward`. For editors. */
export const configFileSchema = runSchema.partial().extend({
  model: modelSchema.partial().optional().describe("The policy"),
  extends: text("a recipe's name or a file").optional().describe("Recipe name or relative file that this one changes"),
  reward: z.union([z.string(), rewardSchema]).optional().describe("Reward of a response, or just its type"),
});

type Parsed = z.output<typeof runSchema>;
type DeepReadonly<T> = T extends object ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> } : T;
/** T with the keys of `Key` no longer null: load.ts has filled them in. */
type Filled<T, Key extends keyof T> = Omit<T, Key> & { [K in Key]: NonNullable<T[K]> };

type Parts = Parsed["algorithm"];
type FilledKlPrcp = Omit<Parts["klPrcp"], "annealing"> & { annealing: Filled<Parts["klPrcp"]["annealing"], "start"> };
type FilledAlgorithm = Omit<Filled<Parts, "lossAvgMode">, "klPrcp"> & { klPrcp: FilledKlPrcp };
type FilledRollout = Omit<Parsed["rollout"], "val"> & {
  val: Filled<Parsed["rollout"]["val"], "temperature" | "topP" | "topK">;
};

export type ModelConfig = DeepReadonly<Parsed["model"]>;
export type DataConfig = DeepReadonly<Filled<Parsed["data"], "miniRolloutBatchSize">>;
export type RolloutConfig = DeepReadonly<FilledRollout>;
export type RewardConfig = DeepReadonly<Parsed["reward"]>;
export type AlgorithmConfig = DeepReadonly<FilledAlgorithm>;
export type AugConfig = DeepReadonly<Parsed["aug"]>;
export type OptimConfig = DeepReadonly<Parsed["optim"]>;
export type TrainerConfig = DeepReadonly<Filled<Parsed["trainer"], "outDir" | "experimentName">>;
export type GuardConfig = DeepReadonly<Parsed["guard"]>;

/** What the reader of a config should know about it; each entry names a key as it was written, with the reason. */
export interface ConfigNotes {
  /** Set, but cannot act in the chosen mode. */
  readonly withoutEffect: readonly string[];
  /** Keys of the reference that papo has no use for. */
  readonly ignored: readonly string[];
  /** Keys of the reference that the reference itself never reads. */
  readonly neverRead: readonly string[];
}

/** A resolved run: every setting has its value, deeply frozen. Paths that exist as files or folders are absolute. */
export interface RunConfig {
  readonly compat: Parsed["compat"];
  readonly seed: number;
  readonly model: ModelConfig;
  readonly data: DataConfig;
  readonly rollout: RolloutConfig;
  readonly reward: RewardConfig;
  readonly algorithm: AlgorithmConfig;
  readonly aug: AugConfig;
  readonly optim: OptimConfig;
  readonly trainer: TrainerConfig;
  readonly guard: GuardConfig;
  readonly notes: ConfigNotes;
}

/** A run's settings without what is known about them. */
export type ResolvedRun = Omit<RunConfig, "notes">;
