// Which charts there are for the metrics of a run: the ones to look at first by name, all others after them.
import type { MetricInfo } from "../api.ts";

export interface ChartMetric {
  readonly name: string;
  /** In legends, where a chart has several metrics. */
  readonly label: string;
}

export interface ChartPlan {
  readonly title: string;
  /** What it shows, in a few words. */
  readonly note?: string;
  readonly metrics: readonly ChartMetric[];
  /** -1: shown with the other sign. */
  readonly sign?: -1;
}

export interface Section {
  readonly title: string;
  readonly charts: readonly ChartPlan[];
}

interface Wanted extends Omit<ChartPlan, "metrics"> {
  /** Names with their labels; a name that ends in `*` stands for all that start so. */
  readonly metrics: Readonly<Record<string, string>>;
}

const wanted: Readonly<Record<string, readonly Wanted[]>> = {
  Reward: [
    { title: "Reward", metrics: { "reward/overall": "reward" } },
    { title: "Accuracy", metrics: { "reward/accuracy": "accuracy" } },
    { title: "Format", metrics: { "reward/format": "format" } },
    { title: "Validation", note: "avg@n over the validation set", metrics: { "val/reward_score": "score", "val/accuracy_reward": "accuracy" } }, // prettier-ignore
    { title: "Supervised loss", metrics: { "actor/sft_loss": "training", "val/sft_loss": "validation" } },
  ],
  Perception: [
    { title: "KL_prcp", note: "how much the answer depends on the picture", sign: -1, metrics: { "actor/kl_prcp_loss": "KL_prcp" } }, // prettier-ignore
    { title: "Entropy", note: "on the picture and on its masked view", metrics: { "actor/ori_entropy_loss": "picture", "actor/aug_entropy_loss": "masked" } }, // prettier-ignore
    { title: "KL_prcp weight", metrics: { "actor/kl_prcp_coef": "weight" } },
  ],
  Policy: [
    { title: "Loss", metrics: { "actor/total_loss": "total", "actor/pg_loss": "policy" } },
    { title: "KL to the reference", metrics: { "actor/kl_loss": "loss", "critic/kl": "reward" } },
    { title: "Clip fraction", metrics: { "actor/pg_clipfrac_higher": "upper", "actor/pg_clipfrac_lower": "dual" } },
    { title: "Gradient norm", metrics: { "actor/grad_norm": "norm" } },
    { title: "Policy change", note: "KL of a step's old to its new policy", metrics: { "actor/ppo_kl": "KL" } },
    { title: "Learning rate", metrics: { "actor/lr": "rate" } },
  ],
  Lengths: [
    { title: "Response length", metrics: { "response_length/mean": "mean", "response_length/max": "longest" } },
    { title: "Cut off", note: "share of responses at the length limit", metrics: { "response_length/clip_ratio": "share" } }, // prettier-ignore
    { title: "Prompt length", metrics: { "prompt_length/mean": "mean", "prompt_length/max": "longest" } },
  ],
  "Time and memory": [
    { title: "Step time by phase", metrics: { "timing_s/*": "" } },
    { title: "Tokens per second", metrics: { "perf/throughput": "all tokens" } },
    { title: "Memory", metrics: { "perf/max_memory_allocated_gb": "device", "perf/cpu_memory_used_gb": "host" } },
    { title: "Peak by phase", metrics: { "perf/peak_gb/*": "" } },
  ],
};

/** Sections without a metric are left out; what is in none is in `More`, a chart each. */
export function planCharts(metrics: readonly MetricInfo[]): Section[] {
  const names = metrics.map(({ name }) => name);
  const used = new Set<string>();
  const sections = Object.entries(wanted).map(([title, charts]): Section => {
    const present = charts.map(({ metrics: patterns, ...chart }): ChartPlan => ({ ...chart, metrics: matching(patterns, names) })); // prettier-ignore
    for (const { metrics: shown } of present) for (const { name } of shown) used.add(name);
    return { title, charts: present.filter(({ metrics: shown }) => shown.length > 0) };
  });
  const rest = names.filter((name) => !used.has(name)).sort();
  const more = rest.map((name): ChartPlan => ({ title: name, metrics: [{ name, label: name }] }));
  return [...sections, { title: "More", charts: more }].filter(({ charts }) => charts.length > 0);
}

function matching(patterns: Readonly<Record<string, string>>, names: readonly string[]): ChartMetric[] {
  return Object.entries(patterns).flatMap(([pattern, label]) => {
    if (!pattern.endsWith("*")) return names.includes(pattern) ? [{ name: pattern, label }] : [];
    const start = pattern.slice(0, -1);
    const found = names.filter((name) => name.startsWith(start));
    return found.map((name) => ({ name, label: name.slice(start.length) }));
  });
}
