import { ConfigError } from "../errors.ts";
import type { DeviceName } from "../native/binding.ts";
import { deviceName } from "../native/device-name.ts";
import { setThreads } from "../trainer/threads.ts";
import { opCases, type OpCase, type SizeName } from "./op-cases.ts";
import { benchOp, type Ceilings, measureCeilings, type OpReport, type OpTiming } from "./ops.ts";
import { textTable } from "../trainer/terminal.ts";

export interface OpsCommandOptions {
  readonly size: SizeName;
  readonly device: DeviceName;
  readonly threads: number;
  /** Of each form of an op. */
  readonly seconds: number;
  /** Names, separated by commas. */
  readonly ops?: string | undefined;
  readonly json?: boolean | undefined;
}

/**
 * Checks and times every op and prints a table, or one JSON object.
 * @returns the exit code: 1 when an op differs from its composed reference
 */
export async function benchOps(options: OpsCommandOptions): Promise<number> {
  const { size, device, threads, json } = options;
  const cases = chosen(opCases(size, device), options.ops);
  await setThreads(threads, "--threads");
  const ceilings = await measureCeilings(device);
  const say = (text: string): void => {
    if (json !== true) console.log(text);
  };
  say(ceilingText(ceilings, device, threads));
  const reports: OpReport[] = [];
  for (const each of cases) {
    const report = await benchOp(each, options.seconds, ceilings);
    reports.push(report);
    const verdict = report.passed ? "as composed" : "FAILED: not as composed";
    say(`${report.op.padEnd(18)} ${verdict}, largest difference ${report.difference.toExponential(1)}`);
  }
  const timings = reports.flatMap((report) => report.timings);
  say(["", ...opTable(timings)].join("\n"));
  if (json === true)
    console.log(JSON.stringify({ size, device: deviceName(device), threads, ...ceilings, ops: reports }));
  return reports.every(({ passed }) => passed) ? 0 : 1;
}

/** @throws {ConfigError} for a name that no op has */
function chosen(cases: readonly OpCase[], names: string | undefined): readonly OpCase[] {
  if (names === undefined) return cases;
  const wanted = names.split(",").map((name) => name.trim());
  const known = [...new Set(cases.map(({ op }) => op))];
  const unknown = wanted.find((name) => !known.some((op) => op === name));
  if (unknown !== undefined) throw new ConfigError("--ops", `expected some of ${known.join(", ")}; got ${unknown}`);
  return cases.filter(({ op }) => wanted.includes(op));
}

function ceilingText({ productRate, memoryRate }: Ceilings, device: DeviceName, threads: number): string {
  const [product, memory] = [(productRate / 1e9).toFixed(0), (memoryRate / 1e9).toFixed(1)];
  if (device === "cuda")
    return `ceilings of ${deviceName(device)}: bfloat16 products ${product} GFLOP/s, copying ${memory} GB/s\n`;
  return `ceilings with ${threads} threads: float32 products ${product} GFLOP/s, reading memory ${memory} GB/s\n`;
}

function opTable(timings: readonly OpTiming[]): string[] {
  const rows = timings.map(({ op, part, ms, composedMs, gflops, gbPerS, bound, share }) => [
    `${op} ${part}`,
    ms.toPrecision(3),
    composedMs.toPrecision(3),
    (composedMs / ms).toFixed(2),
    bound === "product" ? `${gflops.toPrecision(3)} GFLOP/s` : `${gbPerS.toPrecision(3)} GB/s`,
    `${(100 * share).toFixed(0)} %`,
  ]);
  return textTable([["", "ms", "composed ms", "ratio", "rate", "of the ceiling"], ...rows]);
}
