// From settings to a run: checked, defaults that depend on other settings filled in, frozen.
import { resolve } from "node:path";
import type { z } from "zod";
import { crossProblems } from "./checks.ts";
import { papoNameHint } from "./easyr1-keys.ts";
import { configError, unknownKeys, zodProblems } from "./explain.ts";
import type { Problem } from "./explain.ts";
import { resolvePaths } from "./paths.ts";
import { runSchema } from "./schema.ts";
import type { ConfigNotes, ResolvedRun, RunConfig } from "./schema.ts";
import { leaf, mergeAt, settingAt, toPlain, without } from "./tree.ts";
import type { Branch } from "./tree.ts";
import { withoutEffect } from "./without-effect.ts";

export interface ResolveOptions {
  /** Working folder: `runs/` is made in it. */
  readonly cwd: string;
  /** Name of the run where the settings give none. */
  readonly name: string;
  readonly notes: ConfigNotes;
  /** Whether groups are trained on, so that the advantage's rule on rollout.n holds. */
  readonly groups: boolean;
}

/** The start of annealing in the reference's YAML, whatever the coefficient there. */
const referenceAnnealingStart = 1e-2;

type Parsed = z.output<typeof runSchema>;

function fillKlPrcp({ compat, algorithm: { klPrcp } }: Parsed): ResolvedRun["algorithm"]["klPrcp"] {
  // Differs: the reference starts at its own constant, so that another coefficient alone changes the discount (Q16).
  const usual = compat === "reference" ? referenceAnnealingStart : klPrcp.coef;
  const start = klPrcp.schedule === "fixed" ? klPrcp.coef : (klPrcp.annealing.start ?? usual);
  return { ...klPrcp, annealing: { ...klPrcp.annealing, start } };
}

function fillRollout({ rollout }: Parsed): ResolvedRun["rollout"] {
  const { val, temperature, topP, topK } = rollout;
  return {
    ...rollout,
    val: {
      n: val.n,
      temperature: val.temperature ?? temperature,
      topP: val.topP ?? topP,
      topK: val.topK ?? topK,
    },
  };
}

function fill(run: Parsed, { cwd, name }: ResolveOptions): ResolvedRun {
  const { compat, data, algorithm, trainer } = run;
  const experimentName = trainer.experimentName ?? name;
  return {
    ...run,
    data: { ...data, miniRolloutBatchSize: data.miniRolloutBatchSize ?? data.rolloutBatchSize },
    rollout: fillRollout(run),
    algorithm: {
      ...algorithm,
      lossAvgMode: algorithm.lossAvgMode ?? (compat === "reference" ? "reference" : "token"),
      klPrcp: fillKlPrcp(run),
    },
    trainer: { ...trainer, experimentName, outDir: trainer.outDir ?? resolve(cwd, "runs", experimentName) },
  };
}

function hint(key: string): string | undefined {
  return key === "extends" ? " on the command line; name the recipe or file first" : papoNameHint(key);
}

function throwIfAny(root: Branch, problems: readonly Problem[]): void {
  if (problems.length > 0) throw configError(root, problems);
}

/** `reward: ./my-reward.mjs` is short for `reward: {type: ./my-reward.mjs}`. */
export function expandShortForms(root: Branch): Branch {
  const reward = settingAt(root, ["reward"]);
  if (reward?.kind !== "leaf" || typeof reward.value !== "string") return root;
  return mergeAt(without(root, "reward"), ["reward", "type"], leaf(reward.value, reward.origin));
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}

/**
 * The run that the settings describe.
 * @throws {ConfigError} one line for each broken rule: where, key, rule, what came
 */
export function resolveRun(settings: Branch, options: ResolveOptions): RunConfig {
  throwIfAny(settings, unknownKeys(settings, hint));
  const root = resolvePaths(settings);
  // Without a model at all, the message should still name model.path.
  const result = runSchema.safeParse({ model: {}, ...(toPlain(root) as object) });
  if (!result.success) throw configError(root, zodProblems(result.error, root));
  const run = fill(result.data, options);
  throwIfAny(root, crossProblems(run, options.groups));
  const { problems, noted } = withoutEffect(root, run);
  throwIfAny(root, problems);
  const { notes } = options;
  return deepFreeze({ ...run, notes: { ...notes, withoutEffect: [...notes.withoutEffect, ...noted] } });
}
