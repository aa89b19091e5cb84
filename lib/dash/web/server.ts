// Questions to the server.
import type { ConfigReply, EvaluationsReply, RunList, SampleFile, SamplesReply, SeriesReply } from "../api.ts";

async function ask<Reply>(path: string): Promise<Reply> {
  const response = await fetch(path, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error((await response.text()).trim());
  return (await response.json()) as Reply;
}

export interface StepRange {
  readonly from: number;
  readonly to: number;
}

export const askRuns = () => ask<RunList>("/api/runs");
export const askConfig = () => ask<ConfigReply>("/api/config");
export const askEvaluations = () => ask<EvaluationsReply>("/api/evaluations");
export const askSampleFiles = (run: number) => ask<SampleFile[]>(`/api/runs/${run}/samples`);
export const askSamples = (run: number, name: string) => ask<SamplesReply>(`/api/runs/${run}/samples/${name}`);
export const pictureUrl = (run: number, name: string) => `/api/runs/${run}/pictures/${name}`;

export function askSeries(
  run: number,
  metrics: readonly string[],
  { range, points }: { readonly range: StepRange | undefined; readonly points: number },
): Promise<SeriesReply> {
  const words = new URLSearchParams(metrics.map((name) => ["metric", name]));
  words.set("points", String(points));
  if (range) {
    words.set("from", String(range.from));
    words.set("to", String(range.to));
  }
  return ask<SeriesReply>(`/api/runs/${run}/series?${words.toString()}`);
}
