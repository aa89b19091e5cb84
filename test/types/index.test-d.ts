// Types of the public API; `npm run typecheck` is what fails.
import { expectTypeOf, test } from "vitest";
import * as papo from "papo";
import type * as types from "papo";

test("a run is settings, words or what resolveConfig gave", () => {
  expectTypeOf(papo.train).parameter(0).toEqualTypeOf<types.RunSource>();
  expectTypeOf(papo.resolveConfig).returns.toEqualTypeOf<types.RunConfig>();
  expectTypeOf<{ extends: "miniature-papo"; optim: { lr: number } }>().toExtend<types.RunSettings>();
  expectTypeOf<{ reward: "./r.mjs"; aug: { fill: "noise" } }>().toExtend<types.RunSettings>();
  expectTypeOf<{ optim: { lr: string } }>().not.toExtend<types.RunSettings>();
  expectTypeOf<{ aug: { fill: "white" } }>().not.toExtend<types.RunSettings>();
  // @ts-expect-error: a misspelt setting
  papo.resolveConfig({ optim: { lrr: 1 } });
  expectTypeOf<types.RunConfig["optim"]["lr"]>().toEqualTypeOf<number>();
  expectTypeOf<types.RunConfig["aug"]["fill"]>().toEqualTypeOf<types.MaskFill>();
});

test("train takes a reward function, a logger, a signal and onStep", () => {
  type Options = NonNullable<Parameters<typeof papo.train>[1]>;
  expectTypeOf<Options["reward"]>().toEqualTypeOf<types.RewardFunction | undefined>();
  expectTypeOf<Options["logger"]>().toEqualTypeOf<types.Logger | undefined>();
  expectTypeOf<Options["signal"]>().toEqualTypeOf<AbortSignal | undefined>();
  expectTypeOf<NonNullable<Options["onStep"]>>().parameters.toEqualTypeOf<[number, types.StepMetrics]>();
  expectTypeOf(papo.train).returns.resolves.toEqualTypeOf<types.TrainResult>();
  expectTypeOf<types.TrainResult["checkpoints"]>().toEqualTypeOf<readonly types.Checkpoint[]>();
  expectTypeOf<types.TrainResult["metrics"]>().toEqualTypeOf<types.StepMetrics>();
  // Without a reward of groups there is nothing to reward.
  expectTypeOf<Parameters<typeof papo.trainSupervised>[1]>().toEqualTypeOf<types.TrainOptions | undefined>();
  expectTypeOf<types.TrainOptions>().not.toHaveProperty("reward");
});

test("a reward function gives parts with an overall, at once or later", () => {
  expectTypeOf<(item: types.RewardItem) => { overall: number; brevity: number }>().toExtend<types.RewardFunction>();
  expectTypeOf<() => Promise<{ overall: number }>>().toExtend<types.RewardFunction>();
  expectTypeOf<() => { accuracy: number }>().not.toExtend<types.RewardFunction>();
  expectTypeOf<() => number>().not.toExtend<types.RewardFunction>();
  expectTypeOf<types.RewardItem["extra"]>().toEqualTypeOf<Readonly<Record<string, unknown>>>();
  expectTypeOf<Parameters<types.RewardFunction>[1]>().toEqualTypeOf<AbortSignal>();
});

test("a loaded policy gives arrays, never handles", () => {
  expectTypeOf(papo.loadPolicy).returns.resolves.toEqualTypeOf<types.LoadedPolicy>();
  expectTypeOf<types.LoadedPolicy>().toExtend<Disposable>();
  expectTypeOf<keyof types.LoadedPolicy>().toEqualTypeOf<"dir" | "generate" | "score" | typeof Symbol.dispose>();
  expectTypeOf<types.LoadedPolicy["generate"]>().returns.resolves.toEqualTypeOf<types.Generated>();
  expectTypeOf<types.Response["ids"]>().toEqualTypeOf<Int32Array>();
  expectTypeOf<types.LoadedPolicy["score"]>().returns.resolves.toEqualTypeOf<types.ScoredResponse[]>();
  expectTypeOf<types.ScoredResponse["logProbs"]>().toEqualTypeOf<Float32Array>();
  expectTypeOf<NonNullable<types.ScoredResponse["masked"]>["klPrcp"]>().toEqualTypeOf<Float32Array>();
  expectTypeOf<types.GenerateRequest["images"]>().toEqualTypeOf<readonly (string | Uint8Array)[] | undefined>();
  expectTypeOf<types.ScoreRequest["responses"]>().toEqualTypeOf<readonly (string | ArrayLike<number>)[]>();
  expectTypeOf<{ strategy: "saliency" }>().not.toExtend<types.PictureMask>();
});

test("evaluations take the same rewards and give typed summaries", () => {
  expectTypeOf<types.EvalOptions["reward"]>().toEqualTypeOf<string | types.RewardFunction | undefined>();
  expectTypeOf(papo.evaluate).returns.resolves.toEqualTypeOf<types.EvalSummary>();
  expectTypeOf(papo.compareEvaluations).returns.resolves.toEqualTypeOf<types.Comparison>();
  expectTypeOf(papo.gradeFile).returns.resolves.toEqualTypeOf<types.GradeSummary>();
});

test("errors are classes with what they are about", () => {
  expectTypeOf<types.ConfigError>().toExtend<Error & { readonly path: string }>();
  expectTypeOf<types.DataError["row"]>().toEqualTypeOf<number | undefined>();
  expectTypeOf<types.NativeError["code"]>().toEqualTypeOf<types.NativeErrorCode>();
  expectTypeOf(papo.RewardError).toBeConstructibleWith("text");
});
