// Run folders without training: records, metrics, statuses and checkpoints of a few bytes.
import { mkdirSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CheckpointStore } from "../../lib/trainer/checkpoint-store.ts";
import { type RunStatus, writeRunStatus } from "../../lib/trainer/run-status.ts";
import { tempFolder } from "../support/temp.ts";

export interface MadeRun {
  readonly dir?: string;
  readonly command?: string;
  readonly config?: unknown;
  readonly status?: Omit<RunStatus, "at">;
  /** Of metrics.jsonl, step by step from 1. */
  readonly steps?: readonly Record<string, number | null>[];
  /** Steps that have a checkpoint. */
  readonly checkpoints?: readonly number[];
  /** As each checkpoint's trainer.json has it. */
  readonly best?: { readonly step: number; readonly score: number };
}

export async function makeRun(run: MadeRun = {}): Promise<string> {
  const dir = run.dir ?? join(tempFolder(), "run");
  mkdirSync(join(dir, "checkpoints"), { recursive: true });
  const { command = "train", config = {} } = run;
  writeFileSync(join(dir, "config.json"), JSON.stringify({ command, config, build: { papo: "0.1.0" } }));
  const lines = (run.steps ?? []).map((metrics, index) => `${JSON.stringify({ step: index + 1, ...metrics })}\n`);
  writeFileSync(join(dir, "metrics.jsonl"), lines.join(""));
  if (run.status) await writeRunStatus(dir, run.status);
  const store = await CheckpointStore.open(join(dir, "checkpoints"));
  for (const step of run.checkpoints ?? [])
    await store.write(step, async (folder) => {
      await writeFile(join(folder, "model.safetensors"), "x".repeat(1000));
      await writeFile(join(folder, "trainer.json"), JSON.stringify({ version: 1, step, best: run.best ?? null }));
    });
  return dir;
}
