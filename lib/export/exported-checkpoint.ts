// Which checkpoint of a run leaves the house, and which of its files: the model, not what a resumed run needs.
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointError, ConfigError } from "../errors.ts";
import { isModelFile } from "../policy/side-files.ts";
import { openCheckpoint, stepName } from "../trainer/checkpoint-store.ts";
import { readTrainerState } from "../trainer/checkpoint.ts";

/** By place or by step. */
export type CheckpointChoice = "best" | "last" | number;

export interface ExportedCheckpoint {
  readonly dir: string;
  readonly step: number;
  /** Names in `dir`. */
  readonly files: readonly string[];
}

/**
 * @throws {ConfigError} when the run has no such checkpoint
 * @throws {CheckpointError} when it is not whole
 */
export async function chooseCheckpoint(runDir: string, choice: CheckpointChoice): Promise<ExportedCheckpoint> {
  const folder = join(runDir, "checkpoints");
  const step = typeof choice === "number" ? choice : await stepOf(folder, choice);
  const dir = join(folder, stepName(step));
  const names = await readdir(dir).catch(() => undefined);
  if (!names)
    throw new ConfigError(
      "--checkpoint",
      `expected one of ${(await steps(folder)).join(", ")}, got ${choice} (step ${step})`,
    );
  await openCheckpoint(dir);
  const files = names.filter(isModelFile).toSorted();
  for (const file of files)
    if (!(await lstat(join(dir, file))).isFile())
      throw new CheckpointError(dir, `${file}: expected a file, got a link`);
  if (!files.some((file) => file.endsWith(".safetensors")))
    throw new CheckpointError(dir, "it has no model*.safetensors");
  return { dir, step, files };
}

async function stepOf(folder: string, choice: "best" | "last"): Promise<number> {
  const last = (await steps(folder)).at(-1);
  if (last === undefined) throw new ConfigError("--checkpoint", "expected a run with a checkpoint, got one without");
  if (choice === "last") return last;
  const { best } = await readTrainerState(join(folder, stepName(last)));
  if (best === null)
    throw new ConfigError("--checkpoint", "expected last or a step, as nothing was validated; got best");
  return best.step;
}

async function steps(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch((): string[] => []);
  return names
    .flatMap((name) => /^step-(\d{6,})$/u.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}
