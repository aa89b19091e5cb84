// A small random Qwen2.5-VL (the shipped fixture's configuration), synthetic pictures, prompts and updates on it.
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type {
  BatchHandle,
  GroupInput,
  ImageHandle,
  LogProbsHandle,
  LossReport,
  LossSpec,
  MaskedView,
  PolicyHandle,
  PolicyOptions,
  PromptInput,
  ScoreOptions,
  UpdateInputs,
} from "../../lib/native/binding.ts";
import { loadNative, packageRoot } from "../../lib/native/load.ts";
import { readModelConfig } from "../../lib/policy/model-config.ts";
import { readImageSpec } from "../../lib/processor/image-size.ts";
import { testing, tokenMeanWeights, uniforms } from "./objective.ts";

const native = loadNative();
const fixture = join(packageRoot, "lib", "policy", "fixture");
export const tinyConfig = await readModelConfig(fixture);
const imageSpec = await readImageSpec(fixture, { trainerMinPixels: 0, trainerMaxPixels: 0 });

/** Disposes of a handle when the test ends. */
export function keep<H extends Parameters<typeof native.dispose>[0]>(handle: H): H {
  onTestFinished(() => {
    native.dispose(handle);
  });
  return handle;
}

/** Matrices ten times as large as initialised and nonzero biases, so that every part of the policy has an effect. */
export async function tinyPolicy(
  options: Partial<PolicyOptions> = {},
  seed = 1,
  config = tinyConfig,
): Promise<PolicyHandle> {
  const defaults: PolicyOptions = {
    dtype: "float32",
    trained: true,
    freezeVisionTower: false,
    checkpointActivations: false,
  };
  const policy = keep(await native.createPolicy(config, { ...defaults, ...options }));
  await native.initializeWeights(policy, seed);
  for (const { name, shape } of native.policyTensors(policy)) {
    const values = await testing.policyValues(policy, name, "weight");
    if (shape.length > 1) await setWeight(policy, name, (index) => 10 * (values[index] ?? 0));
    else if (name.endsWith("bias")) await setWeight(policy, name, (index) => 0.1 * Math.sin(index + 1));
  }
  return policy;
}

/** Replaces every element of one tensor. */
export async function setWeight(policy: PolicyHandle, name: string, value: (index: number) => number): Promise<void> {
  const old = await testing.policyValues(policy, name, "weight");
  await testing.setPolicyValues(
    policy,
    name,
    "weight",
    old.map((_, index) => value(index)),
  );
}

/** The same policy with every weight changed by up to `share` of it: one that is a few updates away. */
export async function nearPolicy(options: Partial<PolicyOptions>, share: number, phase: number): Promise<PolicyHandle> {
  const policy = await tinyPolicy({ ...options, trained: false });
  for (const { name } of native.policyTensors(policy)) {
    const values = await testing.policyValues(policy, name, "weight");
    await setWeight(policy, name, (index) => (values[index] ?? 0) * (1 + share * Math.sin(phase + 1.3 * index)));
  }
  return policy;
}

/** A patch mask of 6 tenths, aligned to the model's patches. */
export const maskedView: MaskedView = {
  mode: "patch",
  patchPx: 14,
  ratio: 0.6,
  exact: false,
  fill: "black",
  seed: 3,
  perResponse: false,
};

/** Log-probs for every term of the objective, from policies near this one. */
export async function nearLogProbs(
  policy: PolicyHandle,
  groups: readonly GroupInput[],
  options: Partial<PolicyOptions>,
): Promise<Required<Pick<UpdateInputs, "oldLogProbs" | "refLogProbs" | "augLogProbs">>> {
  const batch = batchOf(groups);
  return {
    oldLogProbs: await score(await nearPolicy(options, 0.01, 0), batch),
    refLogProbs: await score(await nearPolicy(options, 0.03, 2), batch),
    augLogProbs: await score(policy, batch, { view: maskedView }),
  };
}

/** A picture of smooth and rough parts; 56 x 84 pixels are 6 merged tokens. */
export function picture(seed: number, height = 56, width = 84): ImageHandle {
  const uniform = uniforms(seed);
  const rgb = Uint8Array.from({ length: height * width * 3 }, (_, i) =>
    i % 7 < 3 ? 255 * uniform() : (i * seed) % 251,
  );
  return keep(native.createImage(rgb, height, width, imageSpec));
}

/** Text ids and pictures in order; a picture becomes its tokens between vision_start and vision_end. */
export function prompt(exampleId: string, pieces: readonly (number | ImageHandle)[]): PromptInput {
  const images = pieces.filter((piece) => typeof piece !== "number");
  const ids = pieces.flatMap((piece) => {
    if (typeof piece === "number") return [piece];
    const [t, h, w] = native.imageInfo(piece).gridThw;
    const tokens = new Array<number>((t * h * w) / 4).fill(tinyConfig.imageTokenId);
    return [tinyConfig.visionStartTokenId, ...tokens, tinyConfig.visionEndTokenId];
  });
  return { exampleId, ids: Int32Array.from(ids), images };
}

/** Random text ids. */
export function response(length: number, seed: number): Int32Array {
  const uniform = uniforms(seed);
  return Int32Array.from({ length }, () => Math.floor(80 * uniform()));
}

/** Three groups: a picture, no picture, two pictures; responses of 5, 0, 1, 3, 7, 2 and 4 tokens. */
export function mixedGroups(): GroupInput[] {
  return [
    { prompt: prompt("one", [3, picture(5), 17, 9]), responses: [response(5, 1), response(0, 2), response(1, 3)] },
    { prompt: prompt("text", [11, 12, 13, 14, 15]), responses: [response(3, 4), response(7, 5)] },
    {
      prompt: prompt("two", [picture(6, 84, 84), 21, picture(7, 56, 56), 22]),
      responses: [response(2, 6), response(4, 7)],
    },
  ];
}

export function batchOf(groups: readonly GroupInput[]): BatchHandle {
  return keep(native.createBatch(groups));
}

const scoreDefaults: ScoreOptions = { temperature: 1, entropy: false, maxTokens: 4096 };

export async function score(
  policy: PolicyHandle,
  batch: BatchHandle,
  options: Partial<ScoreOptions> = {},
): Promise<LogProbsHandle> {
  return keep(await native.computeLogProbs(policy, batch, { ...scoreDefaults, ...options }));
}

/** Log-probs of all response tokens, packed. */
export async function logProbs(
  policy: PolicyHandle,
  groups: readonly GroupInput[],
  options: Partial<ScoreOptions> = {},
): Promise<Float64Array> {
  return await native.logProbValues(await score(policy, batchOf(groups), options));
}

/** Token-mean weights with advantages 1, -0.5, 0.25, -1.25, ... */
export function inputsFor(groups: readonly GroupInput[], more: Partial<UpdateInputs> = {}): UpdateInputs {
  const lengths = groups.flatMap(({ responses }) => responses.map(({ length }) => length));
  const advantages = lengths.map((_, index) => (index % 2 === 0 ? 1 : -0.5) * (1 + (index % 3) / 4));
  const weights = tokenMeanWeights(lengths, advantages);
  const sftWeights = weights.lossWeights.map((weight, index) => (index % 2 === 0 ? weight : 0));
  return {
    firstGroup: 0,
    lastGroup: groups.length,
    temperature: 1,
    maxTokens: 4096,
    weights: { ...weights, sftWeights },
    ...more,
  };
}

export interface Update {
  readonly report: LossReport;
  /** Of all trained tensors, by name. */
  readonly gradient: ReadonlyMap<string, Float64Array>;
}

/** The gradient of one optimizer batch, from zero. */
export async function update(
  policy: PolicyHandle,
  groups: readonly GroupInput[],
  spec: LossSpec,
  more: Partial<UpdateInputs> = {},
): Promise<Update> {
  await zeroGradient(policy);
  const report = await native.forwardBackward(policy, batchOf(groups), spec, inputsFor(groups, more));
  return { report, gradient: await gradientOf(policy) };
}

export async function gradientOf(policy: PolicyHandle): Promise<Map<string, Float64Array>> {
  const gradient = new Map<string, Float64Array>();
  for (const { name } of native.policyTensors(policy)) {
    const values = await testing.policyValues(policy, name, "gradient").catch(() => undefined);
    if (values) gradient.set(name, values);
  }
  return gradient;
}

export async function zeroGradient(policy: PolicyHandle): Promise<void> {
  for (const [name, values] of await gradientOf(policy)) {
    await testing.setPolicyValues(policy, name, "gradient", new Float64Array(values.length));
  }
}

/** Largest |difference| of a tensor over that tensor's largest value, over all tensors; 0 over 0 is 0. */
export function gradientDifference(
  actual: ReadonlyMap<string, Float64Array>,
  expected: ReadonlyMap<string, Float64Array>,
): number {
  if (actual.size !== expected.size) return Infinity;
  let worst = 0;
  for (const [name, values] of expected) worst = Math.max(worst, relativeDifference(actual.get(name), values));
  return worst;
}

/** Largest |difference| over the largest expected value. */
export function relativeDifference(actual: Float64Array | undefined, expected: Float64Array): number {
  if (actual?.length !== expected.length) return Infinity;
  const scale = expected.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  const largest = actual.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (expected[i] ?? NaN))), 0);
  if (Number.isNaN(largest)) return Infinity;
  return largest === 0 ? 0 : largest / scale;
}

/** Largest |difference| of two reports' metrics; infinite when their names differ. */
export function metricDifference(actual: LossReport, expected: LossReport): number {
  const names = Object.keys(expected.metrics).sort();
  if (names.join() !== Object.keys(actual.metrics).sort().join()) return Infinity;
  return Math.max(...names.map((name) => Math.abs((actual.metrics[name] ?? NaN) - (expected.metrics[name] ?? NaN))));
}
