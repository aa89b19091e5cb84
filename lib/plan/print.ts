// A plan as text for people and as JSON for programs.
import { formatNumber, textTable } from "../trainer/terminal.ts";
import type { Comparison } from "./calibration-report.ts";
import { phases } from "./memory.ts";
import type { Plan } from "./plan.ts";

/** Rows of cells as aligned columns, indented. */
function table(rows: readonly (readonly string[])[]): string[] {
  return textTable(rows).map((line) => `  ${line}`);
}

const gigabytes = (bytes: number) => (bytes / 1e9).toFixed(1);
const seconds = (value: number) => value.toFixed(1);
const petaflop = (flops: number) => formatNumber(flops / 1e15);
const thousands = (value: number) => value.toLocaleString("en-US");

function percent(share: number): string {
  return `${share < 0 ? "-" : "+"}${Math.round(Math.abs(share) * 100)} %`;
}

function memoryLines({ memory, fits, changes, gpus, run }: Plan): string[] {
  const rows = memory.parts.map(({ name, bytes }) => [name, ...phases.map((phase) => gigabytes(bytes[phase]))]);
  const lines = table([
    ["Memory per GPU, GB", ...phases],
    ...rows,
    ["total", ...phases.map((phase) => gigabytes(memory.totals[phase]))],
  ]);
  const verdict = fits
    ? `It fits into ${gigabytes(memory.capacityBytes)} GB.`
    : `It does not fit: ${gigabytes(memory.shortBytes)} GB are missing on each ${gpus.gpu.name}.`;
  const change = changes.length === 0 ? "No single setting makes it fit." : "Any one of these makes it fit:";
  return [
    ...lines,
    verdict,
    ...(fits ? [] : [change, ...changes.map((label) => `  ${label}`)]),
    `Largest micro-batch: ${thousands(memory.largestMicroBatchTokens)} tokens (optim.microBatchTokens is ${thousands(run.optim.microBatchTokens)}).`,
    `Cache: room for ${thousands(memory.kvTokens)} tokens, ${memory.concurrentResponses} responses decoded together.`,
  ];
}

function timeLines({ step, published, fits }: Plan): string[] {
  const { seconds: papo, flops } = step;
  const row = (name: string, flop: number | undefined, ours: number, theirs: number | undefined) => {
    return [name, flop === undefined ? "" : petaflop(flop), seconds(ours), theirs === undefined ? "" : seconds(theirs)];
  };
  return table([
    [fits ? "One step" : "One step, if it fitted", "papo, PFLOP", "papo, s", "published system, s"],
    row("pictures", undefined, papo.images, published.images),
    row("rollout", flops.prefill + flops.decode, papo.prefill + papo.decode, published.rollout),
    row("old log-probs", flops.old, papo.old, published.old),
    row("reference", flops.ref, papo.ref, published.ref),
    row("masked pictures", flops.aug, papo.aug, published.aug),
    row("update", flops.update, papo.update, published.update),
    row("optimizer", undefined, papo.optimizer, undefined),
    row("offloading", undefined, 0, published.offload),
    row(
      "total",
      Object.values(flops).reduce((sum, value) => sum + value, 0),
      papo.total,
      published.total,
    ),
  ]);
}

function hoursLine({ hours }: Plan): string {
  if (hours === undefined) return "Whole run: its length is not known; give --steps or --examples.";
  const { steps, source, hours: wall, gpuHours } = hours;
  const size = `${thousands(steps)} steps (${source})`;
  return `Whole run: ${size}, ${wall.toFixed(1)} h, ${gpuHours.toFixed(1)} GPU-hours, without validation and checkpoints.`;
}

function errors(comparisons: readonly Comparison[], fitted: boolean): string {
  const chosen = comparisons.filter((comparison) => comparison.fitted === fitted);
  const one = ({ size, what, error }: Comparison) => `${size} ${what} ${percent(error)}`;
  return chosen.map(one).join(", ");
}

function assumptionLines({ run, lengths, calibration, comparisons, faster }: Plan): string[] {
  const { utilisation, decodeShare, imageSeconds } = calibration;
  const filtered = run.algorithm.filter.enabled;
  return [
    ...faster.map((label) => `Fits as well and is faster: ${label}.`),
    "",
    "Assumed:",
    `  lengths: prompts of ${lengths.promptTokens} tokens, ${lengths.imageTokens} of them a picture's, ${run.rollout.n} responses of ` +
      `${lengths.responseTokens}, one of a step as long as data.maxResponseLength`,
    ...(filtered ? ["  dynamic sampling keeps every group; the rollout grows with each that it drops"] : []),
    `  speed: ${Math.round(utilisation * 100)} % of the peak in passes, ${Math.round(decodeShare * 100)} % of the memory bandwidth in ` +
      `decoding, ${(imageSeconds * 1e3).toFixed(1)} ms of one core a picture and one core a GPU`,
    "  papo: each picture and prompt once a group, old log-probs only after the first optimizer step, optimizer state and",
    "  reference in shards, one process a GPU; there is no CUDA build yet, so these speeds are the published system's",
    `  the model of the published system against its published times, fitted: ${errors(comparisons, true)};`,
    `  not fitted: ${errors(comparisons, false)}`,
  ];
}

/** The plan as text that ends with a newline. */
export function planText(plan: Plan): string {
  const { run, gpus } = plan;
  const name = `${run.trainer.experimentName} on ${gpus.count} x ${gpus.gpu.name}`;
  return [
    `${name}: predictions from sizes and a few constants, not measurements.`,
    "",
    ...memoryLines(plan),
    "",
    ...timeLines(plan),
    hoursLine(plan),
    ...assumptionLines(plan),
    "",
  ].join("\n");
}

/** The plan for programs: bytes, seconds and FLOP. */
export function planJson({ run, gpus, step, ...plan }: Plan): object {
  return {
    kind: "prediction",
    name: run.trainer.experimentName,
    gpus: { name: gpus.gpu.name, count: gpus.count },
    stepSeconds: step.seconds,
    stepFlops: step.flops,
    ...plan,
  };
}
