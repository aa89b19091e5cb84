import { writeFile } from "node:fs/promises";
import { ConfigError } from "../errors.ts";
import type { AdamwSpec } from "../native/binding.ts";
import { deviceName } from "../native/device-name.ts";
import { loadNative } from "../native/load.ts";
import { limitTensorMemory } from "../trainer/tensor-memory.ts";
import { setThreads } from "../trainer/threads.ts";
import type { PolicyBenchOptions } from "./open-policy.ts";
import { runStepBench, type StepBenchResult } from "./step.ts";

export interface StepCommandOptions extends PolicyBenchOptions {
  readonly optimizer: AdamwSpec["strategy"];
  readonly n: number;
  readonly response: number;
  readonly mini: number;
  readonly steps: number;
  readonly threads: number;
  readonly microTokens?: number | undefined;
  readonly lengths?: string | undefined;
  readonly activationCheckpoint: "true" | "false" | "auto";
  readonly memoryGib?: number | undefined;
  readonly record?: string | undefined;
  readonly json?: boolean | undefined;
}

/**
 * Runs the step benchmark and prints its seconds by phase; the last line is one JSON object.
 * @throws {ConfigError} for an option, {CheckpointError} for the folder, {DataError} for the workload
 */
export async function benchStep(model: string, workload: string, options: StepCommandOptions): Promise<void> {
  const { n, mini, microTokens, threads } = options;
  if (mini % n !== 0) throw new ConfigError("--mini", `expected a multiple of --n (${n}), got ${mini}`);
  await setThreads(threads, "--threads");
  limitTensorMemory(options.memoryGib ?? null);
  const { result, record } = await runStepBench(model, workload, {
    ...options,
    lengths: options.lengths === undefined ? undefined : parseLengths(options.lengths, options.response),
    maxTokens: microTokens,
    checkpointActivations: options.activationCheckpoint === "auto" ? "auto" : options.activationCheckpoint === "true",
  });
  if (options.record !== undefined) await writeFile(options.record, JSON.stringify(record));
  if (options.json !== true) console.log(phaseTable(result));
  console.log(
    JSON.stringify({
      ...{ ...result, torch: loadNative().runtimeInfo().torchVersion, threads, dtype: options.dtype },
      device: deviceName(options.device),
    }),
  );
}

/** @throws {ConfigError} for anything but integers from 0 to `response`, separated by commas */
function parseLengths(text: string, response: number): number[] {
  const lengths = text.split(",").map((item) => (item.trim() === "" ? Number.NaN : Number(item)));
  if (lengths.every((length) => Number.isSafeInteger(length) && length >= 0 && length <= response)) return lengths;
  throw new ConfigError("--lengths", `expected integers from 0 to --response (${response}), got ${text}`);
}

function phaseTable(result: StepBenchResult): string {
  const phases = ["rollout", "old", "ref", "aug", "update", "total"] as const;
  const lines = phases.map((phase) => {
    const seconds = result[`${phase}_s`];
    const share = result.total_s === 0 ? 0 : (100 * seconds) / result.total_s;
    return `${phase.padEnd(8)} ${seconds.toFixed(3).padStart(9)} s ${share.toFixed(0).padStart(4)} %`;
  });
  const { peak_tensors_gib: peaks, recomputed } = result;
  return [
    ...lines,
    `${result.response_tokens} response tokens, peak memory ${result.peak_rss_gib} GiB`,
    `tensors of the update: ${peaks.update} GiB, ${peaks.update_predicted} by the memory model; ` +
      `${recomputed.layers} layers and ${recomputed.blocks} vision blocks recomputed`,
  ].join("\n");
}
