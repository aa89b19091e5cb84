// Where the parts of a run are: `result` is kept, `work` is what it needs on the way.
import { join } from "node:path";
import type { NeededRun } from "../tables/runs.ts";

/** In a result: what the run was. */
export const storedRunFile = "run.json";

export interface RunPaths {
  /** For messages: relative to the folder of the study. */
  readonly name: string;
  readonly dir: string;
  readonly result: string;
  readonly work: string;
}

export function runPaths(out: string, { method, size }: Pick<NeededRun, "method" | "size">, seed: number): RunPaths {
  const name = join("runs", `${method}-${size}`, `seed-${seed}`);
  const dir = join(out, name);
  return { name, dir, result: join(dir, "result"), work: join(dir, "work") };
}
