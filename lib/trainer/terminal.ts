import { createColors } from "picocolors";

/** The part of a stream that output depends on. */
export interface OutputStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

type Env = Readonly<Record<string, string | undefined>>;

/** Columns that a line may have: the terminal's, or enough for every column in a file. */
export function lineWidth(stream: OutputStream): number {
  return stream.isTTY === true ? Math.max(20, (stream.columns ?? 80) - 1) : 200;
}

/** Whether bars that redraw themselves make sense. */
export function isTerminal(stream: OutputStream, env: Env): boolean {
  return stream.isTTY === true && env.TERM !== "dumb";
}

/** Colours, or the same functions without effect: not in files, not with NO_COLOR (https://no-color.org). */
export function colorsFor(stream: OutputStream, env: Env): ReturnType<typeof createColors> {
  return createColors(isTerminal(stream, env) && (env.NO_COLOR ?? "") === "");
}

/** `7s`, `1:23`, `2:03:07`; `?` when unknown. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return "?";
  const whole = Math.round(seconds);
  const two = (value: number) => value.toString().padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  if (hours > 0) return `${hours}:${two(minutes)}:${two(whole % 60)}`;
  return whole < 60 ? `${whole}s` : `${minutes}:${two(whole % 60)}`;
}

/** About three significant digits: `0.513`, `12.3`, `1235`, `1.2e-5`, `45k`; `-` for none. */
export function formatNumber(value: number | undefined): string {
  if (value === undefined) return "-";
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1e6) return `${(value / 1e6).toPrecision(3)}M`;
  if (size >= 1e4) return `${Math.round(value / 1e3)}k`;
  if (size !== 0 && size < 1e-3) return value.toExponential(1);
  if (Number.isInteger(value)) return value.toString();
  return size >= 100 ? Math.round(value).toString() : value.toPrecision(3);
}

/** Rows of cells as aligned lines, the first column to the left and the others to the right. */
export function textTable(rows: readonly (readonly string[])[]): string[] {
  const widths = rows.reduce<number[]>((all, row) => row.map((cell, at) => Math.max(all[at] ?? 0, cell.length)), []);
  const pad = (cell: string, at: number): string =>
    at === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[at] ?? 0);
  return rows.map((row) => row.map(pad).join("  ").trimEnd());
}
