// The event stream. The browser connects again by itself and says which event was the last.
import type { RowsEvent, RunSummary } from "../api.ts";
import { state } from "./state.ts";

export interface LiveListener {
  rows(event: RowsEvent): void;
  /** A run's rows are others than were told. */
  anew(run: number): void;
}

/** A stream that the browser has given up is opened anew. */
const retryMs = 3000;

export function listen(listener: LiveListener): void {
  const source = new EventSource("/api/events");
  const on = (name: string, take: (data: unknown) => void) => {
    source.addEventListener(name, ({ data }: MessageEvent<string>) => { take(JSON.parse(data)); }); // prettier-ignore
  };
  source.addEventListener("open", () => { state.setLive(true); }); // prettier-ignore
  source.addEventListener("error", () => {
    state.setLive(false);
    if (source.readyState !== EventSource.CLOSED) return;
    setTimeout(() => { listen(listener); }, retryMs); // prettier-ignore
  });
  on("run", (data) => { state.setRun(data as RunSummary); }); // prettier-ignore
  on("rows", (data) => { listener.rows(data as RowsEvent); }); // prettier-ignore
  on("anew", (data) => { listener.anew((data as { run: number }).run); }); // prettier-ignore
}
