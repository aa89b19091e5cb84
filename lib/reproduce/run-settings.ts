// What a run and its evaluation are known by: every setting that shapes their numbers, without seeds and paths.
import { runConfigOf } from "../config/load.ts";
import type { RunConfig } from "../config/schema.ts";
import { shortHash } from "../eval/benchmarks/item.ts";
import { defaultSettings } from "../eval/benchmarks/settings.ts";
import { differences } from "../trainer/run-record.ts";
import type { EvaluationPlan, Sources } from "./study.ts";

/** Plain JSON by key. */
export type Settings = Readonly<Record<string, unknown>>;

/** Of a training: the model, the data set, the objective, the optimizer, its length. */
export function trainingSettings({ model, data, trainer, ...others }: RunConfig, sources: Sources): Settings {
  const { totalEpochs, maxSteps } = trainer;
  return plain({
    ...without(others, ["seed", "notes"]),
    model: { ...model, path: sources.model },
    data: { ...without(data, ["val", "valBatchSize", "imageDir"]), train: sources.train },
    trainer: { totalEpochs, maxSteps },
  });
}

export type EvaluationSettingsRecord = Settings & { readonly benchmarks: Record<string, unknown> };

/** Of an evaluation: how responses are sampled and graded, and which rows there are. */
export function evaluationSettings({ benchmarks, settings }: EvaluationPlan): EvaluationSettingsRecord {
  const protocols = benchmarks.map(({ id, name, group, rows, filter, formatPrompt, grader, miniature }) => {
    return [id, { name, group, rows, filter, formatPrompt, grader, miniature }] as const;
  });
  return { ...plain(without(settings, ["seed"])), benchmarks: { ...plain(Object.fromEntries(protocols)) } };
}

/** 16 hexadecimal digits; equal for equal settings whatever the order of their keys. */
export function settingsHash(settings: Settings): string {
  return shortHash(sorted(settings));
}

/**
 * `key was 0.4, is 0.6` of each setting that differs. One that the recorded settings do not know does not differ where it
 * has its default: papo has learnt it since.
 */
export function changesOf(recorded: Settings, now: Settings, defaults: Settings): string[] {
  const isNewDefault = ({ key, was, is }: { key: string; was: string; is: string }) =>
    was === "nothing" && is === (JSON.stringify(sorted(valueAt(defaults, key))) as string | undefined);
  return differences(sorted(recorded), sorted(now), "")
    .filter((change) => !isNewDefault(change))
    .map(({ key, was, is }) => `${key} was ${was}, is ${is}`);
}

/** Settings of a training as they are where nothing is said. */
export function trainingDefaults(): Settings {
  const config = runConfigOf({ model: { path: "." } }, { groups: false });
  return trainingSettings(config, { model: null, train: null });
}

export const evaluationDefaults: Settings = { ...defaultSettings };

function without(settings: object, keys: readonly string[]): Settings {
  return Object.fromEntries(Object.entries(settings).filter(([key]) => !keys.includes(key)));
}

function plain(settings: object): Settings {
  return JSON.parse(JSON.stringify(settings)) as Settings;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}

function valueAt(settings: Settings, key: string): unknown {
  return key.split(".").reduce<unknown>((value, name) => (value as Settings | undefined)?.[name], settings);
}
