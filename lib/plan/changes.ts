// What to change: each setting, or set of GPUs, that alone makes a run fit, and settings that fit and are faster.
// Every change is tried on the memory model before it is named.
import type { RunConfig } from "../config/schema.ts";
import { gpus as knownGpus } from "./gpus.ts";
import { memoryPlan } from "./memory.ts";
import type { MemoryWork } from "./memory.ts";
import type { StepWork } from "./published.ts";
import { papoStep } from "./step-time.ts";

type Change = readonly [label: string, work: MemoryWork];

const fits = (work: MemoryWork) => memoryPlan(work).shortBytes === 0;

function withModel(run: RunConfig, model: Partial<RunConfig["model"]>): RunConfig {
  return { ...run, model: { ...run.model, ...model } };
}

/** Fewer tokens a micro-batch, in whole thousands of 1024, but no fewer than a prompt and its longest response need. */
function smallerMicroBatch(work: MemoryWork): Change[] {
  const { run, group } = work;
  const tokens = Math.floor(memoryPlan(work).largestMicroBatchTokens / 1024) * 1024;
  if (tokens < group.promptTokens + run.data.maxResponseLength || tokens >= run.optim.microBatchTokens) return [];
  return [
    [
      `optim.microBatchTokens=${tokens}`,
      { ...work, run: { ...run, optim: { ...run.optim, microBatchTokens: tokens } } },
    ],
  ];
}

function settingChanges(work: MemoryWork): Change[] {
  const { run } = work;
  const bf16 = { ...run, optim: { ...run.optim, strategy: "adamw_bf16" as const } };
  return [
    ...smallerMicroBatch(work),
    ["model.activationCheckpoint=true", { ...work, run: withModel(run, { activationCheckpoint: true }) }],
    ["model.dtype=bfloat16", { ...work, run: withModel(run, { dtype: "bfloat16" }) }],
    ["optim.strategy=adamw_bf16", { ...work, run: bf16 }],
    [
      "model.freezeVisionTower=true (trains the language model alone)",
      { ...work, run: withModel(run, { freezeVisionTower: true }) },
    ],
  ];
}

/** More GPUs of the kind up to 16, and as many of another kind with more memory. */
function gpuChanges(work: MemoryWork): Change[] {
  const { gpu, count } = work.gpus;
  const on = (set: MemoryWork["gpus"]): Change => [`--gpus ${set.count}x${set.gpu.name}`, { ...work, gpus: set }];
  const more = [2, 3, 4, 6, 8, 16].filter((number) => number > count).map((number) => on({ gpu, count: number }));
  const fewestMore = more.find(([, changed]) => fits(changed));
  const larger = knownGpus
    .filter((other) => other.memoryBytes > gpu.memoryBytes)
    .sort((a, b) => a.memoryBytes - b.memoryBytes)
    .map((other) => on({ gpu: other, count }))
    .find(([, changed]) => fits(changed));
  return [...(fewestMore ? [fewestMore] : []), ...(larger ? [larger] : [])];
}

/** Labels of the changes each of which alone makes the run fit. */
export function changesThatFit(work: MemoryWork): string[] {
  const settings = settingChanges(work).filter(([, changed]) => fits(changed));
  return [...settings, ...gpuChanges(work)].map(([label]) => label);
}

/** More stored activations: as many as fit, and all of them with smaller micro-batches. */
function storedActivations(work: MemoryWork): Change[] {
  const { activationCheckpoint } = work.run.model;
  if (activationCheckpoint === false) return [];
  const auto = { ...work, run: withModel(work.run, { activationCheckpoint: "auto" }) };
  const words = activationCheckpoint === "auto" ? [] : ["model.activationCheckpoint=auto"];
  const stored = { ...work, run: withModel(work.run, { activationCheckpoint: false }) };
  const smaller = smallerMicroBatch(stored).map(([more, { run }]): Change => {
    return [[...words, more].join(" "), { ...auto, run: { ...auto.run, optim: run.optim } }];
  });
  return [...words.map((label): Change => [label, auto]), ...smaller];
}

/** As many responses decoded together as the memory has room for, in steps of 32. */
function moreResponses(work: MemoryWork): Change[] {
  const { run } = work;
  const { maxConcurrentResponses } = run.rollout;
  const onGpu = Math.ceil(run.data.rolloutBatchSize / work.gpus.count) * run.rollout.n;
  const all = { ...run, rollout: { ...run.rollout, maxConcurrentResponses: onGpu } };
  const fitting = memoryPlan({ ...work, run: all }).concurrentResponses;
  const room = fitting === onGpu ? onGpu : Math.floor(fitting / 32) * 32;
  if (room <= maxConcurrentResponses) return [];
  const rollout = { ...run.rollout, maxConcurrentResponses: room };
  return [[`rollout.maxConcurrentResponses=${room}`, { ...work, run: { ...run, rollout } }]];
}

/** Settings that fit, change no number of the run, and save a hundredth of a step or more. */
export function fasterSettings(step: StepWork, memory: MemoryWork): string[] {
  const seconds = (work: MemoryWork) => papoStep({ ...step, run: work.run }, memoryPlan(work)).seconds.total;
  const now = seconds(memory);
  return [...storedActivations(memory), ...moreResponses(memory)].flatMap(([label, changed]) => {
    const saved = fits(changed) ? now - seconds(changed) : 0;
    return saved < now / 100 ? [] : [`${label} (saves ${saved.toPrecision(2)} s a step)`];
  });
}
