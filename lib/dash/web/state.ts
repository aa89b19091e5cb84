// What the whole page knows: the runs, which are shown, and how curves are drawn. Views listen and draw what changed.
import type { RunSummary } from "../api.ts";
import type { StepRange } from "./server.ts";

export interface Look {
  /** Weight of what was before, in [0, 1). */
  readonly smoothing: number;
  readonly logScale: boolean;
  /** Part of a chart's title or of a metric's name. */
  readonly filter: string;
  /** Undefined: all steps. */
  readonly range: StepRange | undefined;
}

type Change = "runs" | "look" | "link";

const stored = "papo-dash-look";

class State {
  runs: readonly RunSummary[] = [];
  readonly hidden = new Set<number>();
  look: Look = { ...storedLook(), filter: "", range: undefined };
  /** Whether events arrive. */
  isLive = false;
  readonly #listeners: { readonly change: Change; readonly listen: () => void }[] = [];

  on(change: Change, listen: () => void): void {
    this.#listeners.push({ change, listen });
  }

  get shown(): RunSummary[] {
    return this.runs.filter(({ id }) => !this.hidden.has(id));
  }

  setRuns(runs: readonly RunSummary[]): void {
    this.runs = runs;
    this.#tell("runs");
  }

  setRun(run: RunSummary): void {
    this.setRuns(this.runs.map((known) => (known.id === run.id ? run : known)));
  }

  toggle(run: number): void {
    if (!this.hidden.delete(run)) this.hidden.add(run);
    this.#tell("runs");
  }

  setLook(look: Partial<Look>): void {
    this.look = { ...this.look, ...look };
    const { smoothing, logScale } = this.look;
    localStorage.setItem(stored, JSON.stringify({ smoothing, logScale }));
    this.#tell("look");
  }

  setLive(isLive: boolean): void {
    this.isLive = isLive;
    this.#tell("link");
  }

  #tell(change: Change): void {
    for (const listener of this.#listeners) if (listener.change === change) listener.listen();
  }
}

function storedLook(): Pick<Look, "smoothing" | "logScale"> {
  try {
    const look = JSON.parse(localStorage.getItem(stored) ?? "{}") as Partial<Look>;
    const smoothing = typeof look.smoothing === "number" ? Math.min(0.99, Math.max(0, look.smoothing)) : 0.6;
    return { smoothing, logScale: look.logScale === true };
  } catch {
    return { smoothing: 0.6, logScale: false };
  }
}

export const state = new State();
