// Every metric of a run in one table: its name (the reference's, see its trainer), unit and how several values of one
// training step become one. Native code sums over micro-batches with weights fixed before the cut, so what arrives
// here is one value per optimizer step.
import type { StepMetrics } from "../types.ts";

/**
 * How the values of the optimizer steps of one training step are joined: `tokenMean` is weighted by response tokens,
 * `lossMean` by what algorithm.lossAvgMode averages over (tokens, or responses), `last` is for what changes on purpose (rates, coefficients).
 */
export type Reduction = "mean" | "tokenMean" | "lossMean" | "sum" | "max" | "min" | "last";

export type Unit =
  "1" | "nat" | "reward" | "token" | "s" | "ms/token" | "token/s" | "TFLOP" | "TFLOP/s" | "GB" | "count";

export interface MetricRow {
  /** `*` stands for one part of the name: a reward part, a phase. */
  readonly name: string;
  readonly unit: Unit;
  readonly reduce: Reduction;
}

/** The reference's names first; those below `own` are papo's. */
export const metricTable: readonly MetricRow[] = [
  ...rows("1", "mean", ["actor/pg_loss", "actor/grad_norm"]),
  ...rows("1", "tokenMean", ["actor/pg_clipfrac_higher", "actor/pg_clipfrac_lower"]),
  ...rows("nat", "tokenMean", ["actor/ppo_kl", "actor/aug_entropy_loss", "actor/ori_entropy_loss"]),
  ...rows("nat", "lossMean", ["actor/entropy_loss", "actor/kl_loss", "actor/kl_prcp_loss"]),
  ...rows("nat", "mean", ["actor/sft_loss"]),
  ...rows("1", "last", ["actor/lr", "actor/kl_coef", "actor/kl_prcp_coef", "actor/kl_prcp_coef_annealing_discount"]),
  ...rows("1", "last", ["actor/aug_entropy_loss_coef", "actor/ori_entropy_loss_coef", "actor/sft_coef"]),
  ...rows("reward", "mean", ["reward/*"]),
  ...rows("reward", "last", ["val/reward_score", "val/*_reward"]),
  ...spread("critic/score", "reward"),
  ...spread("critic/rewards", "reward"),
  ...spread("critic/advantages", "1"),
  ...spread("critic/returns", "1"),
  ...rows("nat", "mean", ["critic/kl"]),
  ...rows("1", "last", ["critic/kl_coef"]),
  ...spread("response_length", "token"),
  ...spread("prompt_length", "token"),
  ...rows("1", "mean", ["response_length/clip_ratio", "prompt_length/clip_ratio"]),
  ...rows("token", "last", [
    "global_seqlen/min",
    "global_seqlen/max",
    "global_seqlen/minmax_diff",
    "global_seqlen/mean",
  ]),
  ...rows("token", "last", ["global_seqlen/balanced_min", "global_seqlen/balanced_max"]),
  ...rows("s", "sum", ["timing_s/*"]),
  ...rows("ms/token", "last", ["timing_per_token_ms/*"]),
  ...rows("token", "sum", ["perf/total_num_tokens"]),
  ...rows("s", "last", ["perf/time_per_step"]),
  ...rows("token/s", "last", ["perf/throughput"]),
  ...rows("1", "last", ["perf/mfu_actor"]),
  ...rows("GB", "max", ["perf/max_memory_allocated_gb", "perf/max_memory_reserved_gb", "perf/cpu_memory_used_gb"]),
  // own
  ...rows("1", "mean", ["actor/total_loss"]),
  ...rows("nat", "last", ["val/sft_loss"]),
  ...rows("TFLOP", "sum", ["perf/tflop_vision", "perf/tflop_body", "perf/tflop_attention", "perf/tflop_head"]),
  ...rows("GB", "max", ["perf/peak_gb/*", "perf/predicted_peak_gb"]),
  ...rows("count", "max", ["perf/recomputed_layers", "perf/recomputed_vision_blocks"]),
  ...rows("1", "last", ["perf/mfu"]),
  ...rows("TFLOP/s", "last", ["perf/peak_tflops"]),
  ...rows("count", "sum", ["actor/skipped_updates", "data/skipped", "reward/symbolic_skipped"]),
  ...rows("count", "sum", ["rollout/rounds", "rollout/kept_groups", "rollout/generated_groups"]),
  ...rows("nat", "max", ["rollout/log_prob_diff_max"]),
  ...rows("nat", "mean", ["rollout/log_prob_diff_mean"]),
  ...spread("val/response_length", "token"),
  ...rows("count", "last", ["data/epoch", "guard/alarms"]),
  ...rows("1", "last", ["guard/k_ratio", "guard/clip_ratio"]),
];

function rows(unit: Unit, reduce: Reduction, names: readonly string[]): MetricRow[] {
  return names.map((name) => ({ name, unit, reduce }));
}

/** The three rows of a distribution. */
function spread(name: string, unit: Unit): MetricRow[] {
  return (["mean", "max", "min"] as const).map((reduce) => ({ name: `${name}/${reduce}`, unit, reduce }));
}

const exactRows = new Map(metricTable.map((row) => [row.name, row]));
const patternRows = metricTable
  .filter(({ name }) => name.includes("*"))
  .map((row) => ({ row, pattern: new RegExp(`^${row.name.replace("*", "[^/]+")}$`) }));

/** The table's row for a name, a row with its whole name before one with `*`; undefined for an unknown one. */
export function metricRow(name: string): MetricRow | undefined {
  return exactRows.get(name) ?? patternRows.find(({ pattern }) => pattern.test(name))?.row;
}

interface Sum {
  readonly reduce: Reduction;
  value: number;
  weight: number;
}

/** What stands behind one optimizer step's values. */
export interface MetricWeights {
  /** Response tokens, the weight of `tokenMean`. */
  readonly numTokens: number;
  /** Tokens or responses, the weight of `lossMean`. */
  readonly numAveraged: number;
}

/** Joins the values of the optimizer steps of one training step by the table's reductions. */
export class MetricSums {
  readonly #sums = new Map<string, Sum>();

  /** @throws {RangeError} for a name that is not in the table */
  add(metrics: StepMetrics, { numTokens, numAveraged }: MetricWeights): void {
    for (const [name, value] of Object.entries(metrics)) {
      const row = metricRow(name);
      if (!row) throw new RangeError(`[MetricSums] ${name} is not in the metric table`);
      const weight = row.reduce === "tokenMean" ? numTokens : row.reduce === "lossMean" ? numAveraged : 1;
      const sum = this.#sums.get(name);
      if (sum) join(sum, value, weight);
      else this.#sums.set(name, { reduce: row.reduce, value: isMean(row.reduce) ? value * weight : value, weight });
    }
  }

  /** One value per name, in the order they were first added. */
  result(): StepMetrics {
    return Object.fromEntries(
      [...this.#sums].map(([name, { reduce, value, weight }]) => [name, isMean(reduce) ? value / weight : value]),
    );
  }
}

function isMean(reduce: Reduction): boolean {
  return reduce === "mean" || reduce === "tokenMean" || reduce === "lossMean";
}

function join(sum: Sum, value: number, weight: number): void {
  sum.weight += weight;
  if (isMean(sum.reduce)) sum.value += value * weight;
  else if (sum.reduce === "sum") sum.value += value;
  else if (sum.reduce === "max") sum.value = Math.max(sum.value, value);
  else if (sum.reduce === "min") sum.value = Math.min(sum.value, value);
  else sum.value = value;
}
