// Run folders as papo writes them, and questions to a dashboard as any program may put them.
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { onTestFinished } from "vitest";
import { type DashboardOptions, openDashboard } from "../../lib/dash/serve.ts";

type Values = Readonly<Record<string, number | null>>;

export function metricsLine(step: number, values: Values): string {
  return `${JSON.stringify({ step, ...values })}\n`;
}

/** A run folder with these metrics, one line a step from 1 on. */
export function writeRun(folder: string, rows: readonly Values[], config: unknown = { seed: 1 }): string {
  mkdirSync(join(folder, "samples"), { recursive: true });
  writeFileSync(join(folder, "config.json"), JSON.stringify({ command: "train", config, build: { papo: "0.1.0" } }));
  writeFileSync(join(folder, "metrics.jsonl"), rows.map((values, index) => metricsLine(index + 1, values)).join(""));
  return folder;
}

export function addStep(folder: string, step: number, values: Values): void {
  appendFileSync(join(folder, "metrics.jsonl"), metricsLine(step, values));
}

/** A dashboard that is closed with the test. */
export async function openFor(
  folders: readonly string[],
  more: Partial<DashboardOptions> = {},
): Promise<{ url: string }> {
  const dashboard = await openDashboard({ folders, port: 0, host: "127.0.0.1", ...more });
  onTestFinished(() => dashboard[Symbol.asyncDispose]());
  return dashboard;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** Without the care that fetch takes of paths and of the Host header. */
export async function ask(
  url: string,
  path: string,
  { method = "GET", headers = {} }: { readonly method?: string; readonly headers?: Record<string, string> } = {},
): Promise<Answer> {
  const { hostname, port } = new URL(url);
  return await new Promise((resolve, reject) => {
    const asked = request({ hostname, port, path, method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
      });
    });
    asked.on("error", reject);
    asked.end();
  });
}

export async function askJson<Reply>(url: string, path: string): Promise<Reply> {
  return JSON.parse((await ask(url, path)).body.toString()) as Reply;
}

export interface StreamEvent {
  readonly event: string;
  readonly id: string;
  readonly data: unknown;
}

/** Reads the event stream until `isEnough` says so of what came; then hangs up. */
export async function readEvents(
  url: string,
  isEnough: (events: readonly StreamEvent[]) => boolean,
  lastEventId?: string,
): Promise<StreamEvent[]> {
  const hangUp = new AbortController();
  const headers = lastEventId === undefined ? {} : { "Last-Event-ID": lastEventId };
  const response = await fetch(new URL("/api/events", url), { headers, signal: hangUp.signal });
  const events: StreamEvent[] = [];
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    const parts = text.split("\n\n");
    text = parts.pop() ?? "";
    events.push(...parts.flatMap((part) => eventOf(part)));
    if (isEnough(events)) break;
  }
  hangUp.abort();
  return events;
}

function eventOf(part: string): StreamEvent[] {
  const fields = new Map(
    part.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
  );
  const data = fields.get("data");
  if (data === undefined) return [];
  return [{ event: fields.get("event") ?? "", id: fields.get("id") ?? "", data: JSON.parse(data) as unknown }];
}

/** Waits until something holds; a test that waits in vain ends by its own time limit. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(30);
}
