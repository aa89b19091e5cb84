// Ops and whole steps on the device `emulated`: the way that CUDA takes, with the kernels on the CPU, beside the CPU's.
import { describe, expect, test } from "vitest";
import type {
  AdamwSpec,
  DeviceName,
  LossSpec,
  MaskedView,
  OpSpec,
  PolicyOptions,
  UpdateInputs,
} from "../../lib/native/binding.ts";
import { loadNative } from "../../lib/native/load.ts";
import { kernelDevice, onCuda } from "../support/kernel-device.ts";
import { objectiveCase, plainSpec, testing } from "../support/objective.ts";
import {
  batchOf,
  gradientOf,
  keep,
  logProbs,
  maskedView,
  metricDifference,
  mixedGroups,
  nearLogProbs,
  nearPolicy,
  relativeDifference,
  score,
  setWeight,
  tinyPolicy,
  update,
} from "../support/tiny-policy.ts";

const native = loadNative();

type Op = Parameters<typeof testing.compareOp>[0];

async function differences(op: Op, dtype: OpSpec["dtype"], sizes: Record<string, number>, more: Partial<OpSpec> = {}) {
  return await testing.compareOp(op, {
    dtype,
    device: kernelDevice,
    seed: 7,
    sizes: { trained: 1, ...sizes },
    ...more,
  });
}
async function worst(...args: Parameters<typeof differences>): Promise<number> {
  return Math.max(...Object.values(await differences(...args)));
}

const cases: readonly (readonly [Op, Record<string, number>])[] = [
  ["rms_norm", { rows: 1, width: 7 }],
  ["rms_norm", { rows: 111, width: 37 }],
  ["rms_norm", { rows: 70, width: 128 }],
  ["swiglu", { rows: 37, width: 111, scale: 3 }],
  ["swiglu", { rows: 7, width: 64, scale: 40 }], // sigmoids at both ends
  ["rope", { rows: 37, heads: 7, headSize: 24 }],
  ["linear", { rows: 37, in: 7, out: 111, bias: 1 }],
  ["embedding", { rows: 111, vocab: 37, width: 7 }], // 111 ids of 37: repeated
  ["token_log_probs", { rows: 37, vocab: 111, width: 24, temperature: 1, entropy: 1, tileBytes: 1 }], // chunks of 16 rows
  ["token_log_probs", { rows: 7, vocab: 1000, width: 16, temperature: 0.7, entropy: 0, tileBytes: 1e6 }],
  ["kl_divergence", { rows: 37, vocab: 111, width: 24, temperature: 1, chunkBytes: 1 }],
  ["kl_divergence", { rows: 7, vocab: 1000, width: 16, temperature: 0.7, chunkBytes: 1e6 }],
  ["layer_input", { rows: 37, width: 111, heads: 7, rotated: 5, headSize: 24 }],
  ["layer_output", { rows: 37, width: 111, inner: 37, attended: 24, bias: 1 }],
];

const norms = ["rms_norm", "rms_norm_grad_weight", "rms_norm_grad_x"];
const launches: Partial<Record<Op, readonly string[]>> = {
  rms_norm: norms,
  swiglu: ["swiglu", "swiglu_backward"],
  rope: ["rope"],
  token_log_probs: ["token_log_probs", "token_log_probs_backward_"],
  kl_divergence: ["kl_divergence", "kl_divergence_backward_"],
  layer_input: [...norms, "rope"],
  layer_output: [...norms, "swiglu", "swiglu_backward"],
};

describe.each(cases)("%s %j", (op, sizes) => {
  test("by kernels as composed, forward and backward", async () => {
    await testing.kernelLaunches();
    expect(await worst(op, "float32", sizes)).toBeLessThan(1e-5);
    expect(Object.keys(await testing.kernelLaunches()).sort()).toEqual(launches[op] ?? []);
    expect(await worst(op, "bfloat16", sizes)).toBeLessThan(0.02);
  });
});

test("attention by runs of sequences as composed, over groups and windows", async () => {
  const sizes = { heads: 6, kvHeads: 2, headSize: 24 };
  const plans = {
    groups: [[37, 7, 0, 1, 24], [5, 3], [1, 2], [7]],
    fullBlocks: [16, 1, 24],
  };
  expect(await worst("group_attention", "float32", sizes, plans)).toBeLessThan(1e-5);
  expect(await worst("group_attention", "bfloat16", sizes, plans)).toBeLessThan(0.02);
});

type Values = ReadonlyMap<string, Float64Array>;

const length = (values: Float64Array) => Math.hypot(...values);

/** Largest |difference| / |expected| of a tensor, over all tensors; one of zeros counts as 0 when both are. */
function worstTensor(actual: Values, expected: Values): number {
  const ratios = Array.from(expected, ([name, values]) => {
    const difference = length(values.map((value, i) => value - (actual.get(name)?.[i] ?? NaN)));
    return difference === 0 ? 0 : difference / length(values);
  });
  return Math.max(...ratios);
}

/** Mean of |difference| / |expected| over all tensors. */
function meanTensor(actual: Values, expected: Values): number {
  const ratios = Array.from(expected, ([name, values]) =>
    worstTensor(new Map([[name, actual.get(name) ?? new Float64Array()]]), new Map([[name, values]])),
  );
  return ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
}

/** Largest |difference| of log-probs of any kind. */
function worstScore(actual: Values, expected: Values): number {
  return Math.max(...Array.from(expected, ([name, values]) => largest(actual.get(name) ?? new Float64Array(), values)));
}

const largest = (actual: Float64Array, expected: Float64Array) =>
  expected.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (actual[i] ?? NaN))), 0);

const separable: Record<string, LossSpec> = {
  "clipped policy gradient": plainSpec,
  "policy gradient with a tight dual clip": { ...plainSpec, clipDual: 1.2 },
  "reference KL abs": { ...plainSpec, klRef: { coef: 0.5, estimator: "abs" } },
  "reference KL mse": { ...plainSpec, klRef: { coef: 0.5, estimator: "mse" } },
  "both KLs k3": { ...plainSpec, klRef: { coef: 0.5, estimator: "k3" }, klPrcp: { coef: 0.3, estimator: "k3" } },
  "perception KL k1, clipped": { ...plainSpec, klPrcp: { coef: 0.5, estimator: "k1", clip: 0.2 } },
  "sampled entropies": { ...plainSpec, augEntropyCoef: 0.3, oriEntropyCoef: 0.2 },
  SFT: { ...plainSpec, sftCoef: 0.4 },
};

test.each(Object.entries(separable))("the kernel's objective as the composed one: %s", async (_, spec) => {
  const { tokens, weights } = objectiveCase([7, 1, 37, 0, 2], 3);
  const cpu = await testing.objective(tokens, weights, spec, "float32", "cpu");
  await testing.kernelLaunches();
  const emulated = await testing.objective(tokens, weights, spec, "float32", kernelDevice);
  expect(await testing.kernelLaunches()).toEqual({ objective: 1 });
  expect(Math.abs(emulated.loss - cpu.loss)).toBeLessThan(1e-6);
  expect(Object.keys(emulated.metrics).sort()).toEqual(Object.keys(cpu.metrics).sort());
  for (const [name, value] of Object.entries(cpu.metrics)) expect(emulated.metrics[name]).toBeCloseTo(value, 6);
  for (const name of ["logProbs", "augLogProbs"] as const) {
    const expected = cpu.gradients[name] ?? new Float64Array(47);
    expect(largest(emulated.gradients[name] ?? new Float64Array(47), expected)).toBeLessThan(1e-7);
  }
  expect(emulated.perceptionKl.length).toBe(cpu.perceptionKl.length);
  if (cpu.perceptionKl.length > 0) expect(largest(emulated.perceptionKl, cpu.perceptionKl)).toBeLessThan(1e-6);
});

test("a loss with neither a reference nor a masked picture runs by the kernel, as composed", async () => {
  const { tokens, weights } = objectiveCase([7, 1, 37, 0, 2], 3);
  const { responseLengths, logProbs, oldLogProbs } = tokens;
  const run = (device: DeviceName) =>
    testing.objective({ responseLengths, logProbs, oldLogProbs }, weights, plainSpec, "float32", device);
  const [cpu, emulated] = [await run("cpu"), await run(kernelDevice)];
  expect(Math.abs(emulated.loss - cpu.loss)).toBeLessThan(1e-6);
  expect(Object.keys(emulated.metrics).sort()).toEqual(Object.keys(cpu.metrics).sort());
  expect(
    largest(emulated.gradients.logProbs ?? new Float64Array(), cpu.gradients.logProbs ?? Float64Array.of(NaN)),
  ).toBeLessThan(1e-7);
});

const adamw: AdamwSpec = { strategy: "adamw", beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1 };

async function weightsOf(policy: Parameters<typeof native.policyTensors>[0]): Promise<Map<string, Float64Array>> {
  const weights = new Map<string, Float64Array>();
  for (const { name } of native.policyTensors(policy))
    weights.set(name, await testing.policyValues(policy, name, "weight"));
  return weights;
}

/** Scores of all kinds, one update over several micro-batches and one optimizer step. */
async function wholeStep(options: Partial<PolicyOptions>, spec: LossSpec, more: Partial<UpdateInputs>) {
  const groups = mixedGroups();
  await testing.kernelLaunches();
  const policy = await tinyPolicy(options);
  const scores = await nearLogProbs(policy, groups, options);
  const reference = spec.klRef?.estimator === "full" ? { reference: await nearPolicy(options, 0.03, 2) } : {};
  const { report, gradient } = await update(policy, groups, spec, {
    ...{ ...scores, ...reference, maxTokens: 60 },
    ...more,
  });
  const optimizer = keep(await native.createOptimizer(policy, adamw));
  const { gradNorm } = await native.optimizerStep(optimizer, policy, 1e-3, 0.1);
  const scored: Values = new Map(
    await Promise.all(
      Object.entries(scores).map(async ([name, handle]) => [name, await native.logProbValues(handle)] as const),
    ),
  );
  return {
    logProbs: scored,
    report,
    gradient,
    norms: Float64Array.of(gradNorm),
    weights: await weightsOf(policy),
    gradientLeft: await gradientOf(policy),
    launches: Object.keys(await testing.kernelLaunches()).sort(),
  };
}

const stepSpecs: Record<string, readonly [LossSpec, Partial<UpdateInputs>]> = {
  "every separable term": [
    {
      ...plainSpec,
      klRef: { coef: 0.1, estimator: "k3" },
      klPrcp: { coef: 0.2, estimator: "k3" },
      augEntropyCoef: 0.03,
      oriEntropyCoef: 0.02,
      sftCoef: 0.4,
    },
    {},
  ],
  "entropies over the vocabulary": [{ ...plainSpec, oriEntropyCoef: 0.2, entropy: "full" }, {}],
  GSPO: [{ ...plainSpec, policyLoss: "gspo", clipLow: 0.05, clipHigh: 0.05 }, {}],
  "KLs over the vocabulary": [
    { ...plainSpec, klRef: { coef: 0.2, estimator: "full" }, klPrcp: { coef: 0.2, estimator: "full" } },
    { recompute: maskedView },
  ],
  "a recomputed masked branch": [
    { ...plainSpec, klPrcp: { coef: 0.2, estimator: "k3" } },
    { recompute: { ...maskedView, fill: "noise", exact: true } },
  ],
};

const klLaunches = ["kl_divergence", "kl_divergence_backward_"];

/** What a step launches beside the objective's kernel and, with pictures masked on the device, theirs. */
const stepLaunches = [
  "adamw",
  "fill_patch_cells_",
  "gradient_norm",
  "patch_mask_cells",
  "rms_norm",
  "rms_norm_grad_weight",
  "rms_norm_grad_x",
  "rope",
  "rope_tables",
  "swiglu",
  "swiglu_backward",
  "token_log_probs",
  "token_log_probs_backward_",
];

describe.each(Object.entries(stepSpecs))("a whole step, %s", (name, [spec, more]) => {
  test("float32: emulated as on the CPU", async () => {
    const cpu = await wholeStep({ device: "cpu" }, spec, more);
    const emulated = await wholeStep({ device: kernelDevice }, spec, more);
    expect(cpu.launches).toEqual([]);
    const fullKl = spec.klRef?.estimator === "full";
    const hasKernel = name !== "GSPO" && spec.entropy !== "full" && !fullKl;
    expect(emulated.launches).toEqual(
      [...stepLaunches, ...(hasKernel ? ["objective"] : []), ...(fullKl ? klLaunches : [])].sort(),
    );
    expect(worstScore(emulated.logProbs, cpu.logProbs)).toBeLessThan(1e-5);
    expect(metricDifference(emulated.report, cpu.report)).toBeLessThan(1e-5);
    expect(emulated.report.numTokens).toBe(cpu.report.numTokens);
    expect(emulated.report.perceptionKl.length).toBe(cpu.report.perceptionKl.length);
    expect(largest(emulated.report.perceptionKl, cpu.report.perceptionKl)).toBeLessThan(1e-5);
    expect(worstTensor(emulated.gradient, cpu.gradient)).toBeLessThan(1e-5);
    expect(relativeDifference(emulated.norms, cpu.norms)).toBeLessThan(1e-5);
    // A first step moves a weight by the sign of its gradient, whatever that is: where it is rounding alone, signs differ.
    expect(worstTensor(emulated.weights, cpu.weights)).toBeLessThan(2e-4);
    expect(worstTensor(emulated.gradientLeft, cpu.gradientLeft)).toBe(0);
  });

  // Kernels and composed ops round elsewhere, so that bfloat16 results differ as they differ from float32's.
  test("bfloat16: emulated no further from float32 than the CPU", async () => {
    const exact = await wholeStep({ device: "cpu" }, spec, more);
    const cpu = await wholeStep({ device: "cpu", dtype: "bfloat16" }, spec, more);
    const emulated = await wholeStep({ device: kernelDevice, dtype: "bfloat16" }, spec, more);
    const scores = [emulated, cpu].map(({ logProbs }) => worstScore(logProbs, exact.logProbs));
    const gradients = [emulated, cpu].map(({ gradient }) => meanTensor(gradient, exact.gradient));
    expect(scores[0]).toBeLessThan(1.25 * (scores[1] ?? NaN));
    expect(gradients[0]).toBeLessThan(1.25 * (gradients[1] ?? NaN));
    expect(worstScore(emulated.logProbs, cpu.logProbs)).toBeLessThan(0.06);
    expect(worstTensor(emulated.gradient, cpu.gradient)).toBeLessThan(0.2);
    expect(relativeDifference(emulated.norms, cpu.norms)).toBeLessThan(0.02);
  });
});

test("recomputed activations and a frozen vision tower give the same gradient on the device", async () => {
  const spec: LossSpec = { ...plainSpec, klPrcp: { coef: 0.2, estimator: "k3" } };
  const groups = mixedGroups();
  const options = { freezeVisionTower: true, checkpointActivations: true };
  const gradients = [];
  for (const device of ["cpu", kernelDevice] as const) {
    const policy = await tinyPolicy({ ...options, device });
    const augLogProbs = await score(policy, batchOf(groups), { view: maskedView });
    gradients.push((await update(policy, groups, spec, { augLogProbs })).gradient);
  }
  const [cpu, emulated] = gradients;
  expect(worstTensor(emulated ?? new Map(), cpu ?? new Map([["absent", Float64Array.of(1)]]))).toBeLessThan(1e-5);
});

const views: Record<string, MaskedView> = {
  "patches, black": { ...maskedView, patchPx: 28 },
  "patches, mean, exactly so many": { ...maskedView, fill: "mean", exact: true },
  "patches, noise, a mask for each response": { ...maskedView, fill: "noise", perResponse: true },
  "raw pictures": { ...maskedView, mode: "raw" },
};

test.each(Object.entries(views))("log-probs of both views as on the CPU: %s", async (_, view) => {
  const batch = batchOf(mixedGroups());
  const scored = [];
  for (const device of ["cpu", kernelDevice] as const) {
    const policy = await tinyPolicy({ device, trained: false });
    const options = { temperature: 0.7, entropy: false, maxTokens: 80, firstGroup: 1, view };
    const { plain, masked } = await native.computePlainAndMasked(policy, batch, options);
    scored.push(await native.logProbValues(keep(masked)), (await native.logProbValues(keep(plain))).slice(6));
  }
  const [cpuMasked, cpuPlain, masked, plain] = scored;
  expect(largest(masked ?? new Float64Array(), cpuMasked ?? Float64Array.of(NaN))).toBeLessThan(1e-5);
  expect(largest(plain ?? new Float64Array(), cpuPlain ?? Float64Array.of(NaN))).toBeLessThan(1e-5);
  expect(largest(cpuMasked?.slice(6) ?? new Float64Array(), cpuPlain ?? new Float64Array())).toBeGreaterThan(1e-3);
});

describe.each(["adamw", "adamw_bf16"] as const)("%s", (strategy) => {
  test.each(["float32", "bfloat16"] as const)("moves %s weights as on the CPU, three steps in a row", async (dtype) => {
    const run = async (device: DeviceName) => {
      const policy = await tinyPolicy({ dtype, device });
      const optimizer = keep(await native.createOptimizer(policy, { ...adamw, strategy }));
      const reports = [];
      for (let step = 1; step <= 3; ++step) {
        for (const { name, shape } of native.policyTensors(policy)) {
          const values = Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(step * i));
          await testing.setPolicyValues(policy, name, "gradient", values);
        }
        reports.push(await native.optimizerStep(optimizer, policy, 1e-2, step));
      }
      return { weights: await weightsOf(policy), reports, steps: native.optimizerNumSteps(optimizer) };
    };
    const cpu = await run("cpu");
    await testing.kernelLaunches();
    const emulated = await run(kernelDevice);
    expect(await testing.kernelLaunches()).toMatchObject({ gradient_norm: 3, adamw: 3 });
    expect(emulated.steps).toBe(3);
    for (const [i, { gradNorm, skipped }] of cpu.reports.entries()) {
      expect(emulated.reports[i]?.skipped).toBe(skipped);
      expect(Math.abs((emulated.reports[i]?.gradNorm ?? NaN) / gradNorm - 1)).toBeLessThan(1e-12);
    }
    expect(worstTensor(emulated.weights, cpu.weights)).toBeLessThan(dtype === "float32" ? 1e-6 : 1e-4);
  });
});

test("a gradient that is not finite skips the step on the device and counts none", async () => {
  const policy = await tinyPolicy({ device: kernelDevice });
  const optimizer = keep(await native.createOptimizer(policy, adamw));
  const before = await weightsOf(policy);
  const name = "model.norm.weight";
  await testing.setPolicyValues(
    policy,
    name,
    "gradient",
    (before.get(name) ?? new Float64Array()).map(() => Infinity),
  );
  expect(await native.optimizerStep(optimizer, policy, 1e-2, 1)).toEqual({ gradNorm: Infinity, skipped: true });
  expect(native.optimizerNumSteps(optimizer)).toBe(0);
  expect(worstTensor(await weightsOf(policy), before)).toBe(0);
  expect(length((await gradientOf(policy)).get(name) ?? Float64Array.of(NaN))).toBe(0);
});

test("logits that are not finite name their row", async () => {
  const policy = await tinyPolicy({ device: kernelDevice });
  await setWeight(policy, "model.norm.weight", () => Infinity);
  await expect(logProbs(policy, mixedGroups())).rejects.toMatchObject({
    code: "E_NONFINITE",
    message: "[token_log_probs] logits of row 0 are not finite",
  });
});

test.skipIf(onCuda)("a device that this build does not have is refused", async () => {
  await expect(tinyPolicy({ device: "cuda" })).rejects.toMatchObject({
    code: "E_CUDA",
    message: "[create_policy] device: expected cpu, got cuda, which this build of papo does not have",
  });
});

test.skipIf(!onCuda)("log-probs of another device are refused", async () => {
  const groups = mixedGroups();
  const scores = await nearLogProbs(await tinyPolicy(), groups, {});
  const policy = await tinyPolicy({ device: kernelDevice });
  await expect(update(policy, groups, plainSpec, { oldLogProbs: scores.oldLogProbs })).rejects.toMatchObject({
    code: "E_VALUE",
    message: "[forward_backward] log-probs: expected those of the policy's device",
  });
});

test("an unknown device and float64 off the CPU are refused", async () => {
  await expect(tinyPolicy({ device: "tpu" as "cpu" })).rejects.toMatchObject({ code: "E_VALUE" });
  await expect(tinyPolicy({ device: kernelDevice, dtype: "float64" })).rejects.toMatchObject({
    code: "E_DTYPE",
    message: "[create_policy] dtype: float64 runs on device cpu only",
  });
});
