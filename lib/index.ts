// The public API: exports only. What is not exported here is internal and may change with any version.
export * from "./errors.ts";
export type { Example, FinishReason, ImageSource, Response, Reward, StepMetrics } from "./types.ts";
export type { DeviceName, MaskFill, MaskMode } from "./native/binding.ts";

// Runs.
export { recipeNames } from "./config/recipes.ts";
export { resolveConfig, type LoadOptions, type RunSettings, type RunSource } from "./config/load.ts";
export type { RunConfig } from "./config/schema.ts";
export type { ComputeReward, RewardFunction, RewardItem } from "./reward/reward.ts";
export type { Checkpoint } from "./trainer/checkpoint-store.ts";
export type { Logger } from "./trainer/loggers.ts";
export type { TrainOptions } from "./trainer/open-run.ts";
export type { TrainResult } from "./trainer/run-loop.ts";
export { train, type RewardedTrainOptions } from "./trainer/run.ts";
export { trainSupervised } from "./trainer/sft.ts";
export { parseGpus, type Gpu, type GpuSet } from "./plan/gpus.ts";
export { planRun, type Plan, type PlanOptions } from "./plan/plan.ts";

// A model.
export { generate, type Generated, type GenerateOptions } from "./eval/generate.ts";
export {
  loadPolicy,
  type GenerateRequest,
  type LoadedPolicy,
  type LoadPolicyOptions,
  type ScoredResponse,
  type ScoreRequest,
} from "./eval/loaded-policy.ts";
export type { SamplingSettings } from "./eval/open-model.ts";
export type { PictureMask } from "./eval/picture-mask.ts";
export { runAttention, type AttentionOptions } from "./analysis/attention/attention-run.ts";
export { attentionResults, type AttentionSummary } from "./analysis/attention/attention-summary.ts";
export type { KlMap } from "./analysis/kl-map/kl-map.ts";
export { measureKlMap, type KlMapOptions } from "./analysis/kl-map/measure-kl-map.ts";
export { renderKlMap } from "./analysis/kl-map/page.ts";

// Data and evaluation.
export { openDataset, type Dataset, type DatasetOptions } from "./data/dataset.ts";
export { runEvaluation as evaluate, type EvalOptions } from "./eval/eval-run.ts";
export { readItems, type EvalItem, type EvalSummary } from "./eval/eval-files.ts";
export type { Benchmark } from "./eval/benchmarks/benchmark.ts";
export { runBenchmarks, type BenchmarkRunOptions } from "./eval/benchmarks/benchmark-run.ts";
export { LocalEngine, type LocalEngineOptions } from "./eval/benchmarks/local-engine.ts";
export { resolveBenchmarks } from "./eval/benchmarks/registry.ts";
export { defaultSettings, settingsPresets, type EvaluationSettings } from "./eval/benchmarks/settings.ts";
export type { BenchmarkSummary, EvaluationSummary } from "./eval/benchmarks/summary.ts";
export { OpenAiEngine, type OpenAiEngineOptions } from "./eval/openai/openai-engine.ts";
export { compareEvaluations, type Comparison, type CompareOptions } from "./eval/compare/compare.ts";
export { findLeaks, type LeakReport } from "./eval/leaks/leaks.ts";
export { gradeFile, type GradeFileOptions, type GradeSummary } from "./eval/grade-file.ts";
export { createGrader, type AnswerGrader, type GraderOptions } from "./reward/answer-grader.ts";

// Tables of the paper.
export { annotationCounts } from "./tables/annotations.ts";
export { curvesOf } from "./tables/curves.ts";
export type { Report, TableDefinition } from "./tables/definition.ts";
export { tables } from "./tables/registry.ts";
export { reportFiles } from "./tables/render/report-files.ts";
export type * from "./tables/results.ts";
export type { NeededRun, RowRun, Scale } from "./tables/runs.ts";
