// A run's settings without files: schema defaults plus the given ones, and the defaults that depend on others.
import { runSchema, type RunConfig } from "../../lib/config/schema.ts";

/** @param settings as in a config file */
export function runConfig(settings: Record<string, unknown> = {}): RunConfig {
  const parsed = runSchema.parse({ model: { path: "." }, ...settings });
  const { algorithm } = parsed;
  const annealing = { ...algorithm.klPrcp.annealing, start: algorithm.klPrcp.annealing.start ?? algorithm.klPrcp.coef };
  return {
    ...parsed,
    algorithm: {
      ...algorithm,
      lossAvgMode: algorithm.lossAvgMode ?? (parsed.compat === "reference" ? "reference" : "token"),
      klPrcp: { ...algorithm.klPrcp, annealing },
    },
  } as unknown as RunConfig;
}

export function algorithmConfig(algorithm: Record<string, unknown> = {}): RunConfig["algorithm"] {
  return runConfig({ algorithm }).algorithm;
}
