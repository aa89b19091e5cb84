import { ConfigError } from "../errors.ts";
import { deviceName } from "../native/device-name.ts";
import { setThreads } from "../trainer/threads.ts";
import type { PolicyBenchOptions } from "./open-policy.ts";
import { runRolloutBench, type RolloutTiming } from "./rollout.ts";
import { textTable } from "../trainer/terminal.ts";

export interface RolloutCommandOptions extends PolicyBenchOptions {
  /** Counts, separated by commas. */
  readonly n: string;
  readonly concurrent: string;
  readonly response: number;
  readonly threads: number;
  readonly json?: boolean | undefined;
}

/**
 * Prints tokens/s for every pair of n and concurrent; the last line is one JSON object.
 * @throws {ConfigError} for an option, {CheckpointError} for the folder, {DataError} for the workload
 */
export async function benchRollout(model: string, workload: string, options: RolloutCommandOptions): Promise<void> {
  const { response, threads, dtype, device } = options;
  const [n, concurrent] = [counts("--n", options.n), counts("--concurrent", options.concurrent)];
  await setThreads(threads, "--threads");
  const runs = await runRolloutBench(model, workload, { ...options, n, concurrent });
  if (options.json !== true) console.log(rolloutTable(runs).join("\n"));
  console.log(JSON.stringify({ response, threads, dtype, device: deviceName(device), runs }));
}

/** @throws {ConfigError} for anything but integers from 1, separated by commas */
function counts(option: string, text: string): number[] {
  const values = text.split(",").map((item) => (item.trim() === "" ? Number.NaN : Number(item)));
  if (values.every((value) => Number.isSafeInteger(value) && value >= 1 && value < 2 ** 31)) return values;
  throw new ConfigError(option, `expected integers >= 1, separated by commas, got ${text}`);
}

function rolloutTable(runs: readonly RolloutTiming[]): string[] {
  return textTable([
    ["n", "concurrent", "tokens", "prefill s", "total s", "tokens/s", "decoded/s"],
    ...runs.map(({ n, concurrent, responseTokens, prefillS, totalS, tokensPerS, decodedPerS }) => [
      ...[String(n), String(concurrent), String(responseTokens), prefillS.toFixed(3), totalS.toFixed(3)],
      ...[tokensPerS.toFixed(0), decodedPerS.toFixed(0)],
    ]),
  ]);
}
