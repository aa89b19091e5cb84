// The public API: exports only.
export * from "./errors.ts";
export type * from "./types.ts";

export { runAttention, type AttentionOptions } from "./analysis/attention/attention-run.ts";
export { attentionResults, type AttentionSummary } from "./analysis/attention/attention-summary.ts";
export { imageAttention, normalizedEntropy } from "./analysis/attention/image-attention.ts";
export type { KlMap } from "./analysis/kl-map/kl-map.ts";
export { measureKlMap, type KlMapOptions } from "./analysis/kl-map/measure-kl-map.ts";
export { renderKlMap } from "./analysis/kl-map/page.ts";
export { loadRunConfig, runConfigOf, type LoadOptions } from "./config/load.ts";
export type { RunConfig } from "./config/schema.ts";
export { openDataset, type Dataset, type DatasetOptions } from "./data/dataset.ts";
export type { Benchmark } from "./eval/benchmarks/benchmark.ts";
export { runBenchmarks, type BenchmarkRunOptions } from "./eval/benchmarks/benchmark-run.ts";
export { LocalEngine, type LocalEngineOptions } from "./eval/benchmarks/local-engine.ts";
export { resolveBenchmarks } from "./eval/benchmarks/registry.ts";
export { defaultSettings, settingsPresets, type EvaluationSettings } from "./eval/benchmarks/settings.ts";
export type { BenchmarkSummary, EvaluationSummary } from "./eval/benchmarks/summary.ts";
export { compareEvaluations, type Comparison, type CompareOptions } from "./eval/compare/compare.ts";
export { findLeaks, type LeakReport } from "./eval/leaks/leaks.ts";
export { OpenAiEngine, type OpenAiEngineOptions } from "./eval/openai/openai-engine.ts";
export { runEvaluation, type EvalOptions } from "./eval/eval-run.ts";
export { readItems, type EvalItem, type EvalSummary } from "./eval/eval-files.ts";
export { evaluate, type EvalResult, type EvaluateOptions, type EvaluateParts } from "./eval/evaluate.ts";
export { generate, type Generated, type GenerateOptions } from "./eval/generate.ts";
export type { SamplingSettings } from "./eval/open-model.ts";
export { parseGpus, type Gpu, type GpuSet } from "./plan/gpus.ts";
export { planRun, type Plan, type PlanOptions } from "./plan/plan.ts";
export { Policy, type OpenOptions, type SaveOptions } from "./policy/policy.ts";
export { Processor, releasePrompt, type ProcessorSettings } from "./processor/processor.ts";
export {
  createReward,
  type RewardFunction,
  type RewardItem,
  type RewardSurroundings,
  type Scorer,
} from "./reward/reward.ts";
export { Rollout, type RolloutLimits, type RolloutOptions, type Sampling } from "./rollout/rollout.ts";
export { annotationCounts } from "./tables/annotations.ts";
export { curvesOf } from "./tables/curves.ts";
export type { Report, TableDefinition } from "./tables/definition.ts";
export { tables } from "./tables/registry.ts";
export { reportFiles } from "./tables/render/report-files.ts";
export type * from "./tables/results.ts";
export type { NeededRun, RowRun, Scale } from "./tables/runs.ts";
export type { TrainOptions } from "./trainer/open-run.ts";
export type { TrainResult } from "./trainer/run-loop.ts";
export { train } from "./trainer/run.ts";
export { trainSupervised } from "./trainer/sft.ts";
