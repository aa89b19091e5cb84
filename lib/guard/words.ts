// What the guard says in the terminal.
import { formatNumber } from "../trainer/terminal.ts";
import type { SignalName } from "./detector.ts";
import type { AlarmLine } from "./guard.ts";

const titles: Readonly<Record<SignalName, string>> = {
  kl_prcp: "the perception KL",
  clip_fraction: "the share of clipped tokens",
  entropy: "the entropy",
  accuracy: "the accuracy",
};

/** `the perception KL and the accuracy`. */
export function signalWords(signals: readonly SignalName[]): string {
  return signals.map((signal) => titles[signal]).join(" and ");
}

/** One line of news; undefined for what is only written to alarms.jsonl. */
export function alarmWords(step: number, line: AlarmLine): string | undefined {
  if (line.event === "end") return undefined;
  return `guard: step ${step}: ${line.signal === "collapse" ? collapseWords(line) : levelWords(line.signal, line)}`;
}

function levelWords(signal: SignalName, { value, mean, threshold }: AlarmLine): string {
  const beyond = signal === "accuracy" ? "below" : "above";
  const was = `its running mean was ${formatNumber(mean)}`;
  return `${titles[signal]} is ${formatNumber(value)}, ${beyond} ${formatNumber(threshold)}; ${was}`;
}

function collapseWords({ event, action, signals = [], klPrcpFactor = 1 }: AlarmLine): string {
  const what = `the policy ${event === "again" ? "is still collapsing" : "collapses"} by ${signalWords(signals)}`;
  if (action === "stop") return `${what}; the run stops`;
  if (action === "warn") return what;
  return `${what}; the weight of the perception KL is ${formatNumber(klPrcpFactor)} times the configured one from here on`;
}
