// Child of the kill tests: writes checkpoints into argv[2] one after the other until it is killed. Each has two files
// whose bytes follow from the step, so that a torn one shows; it prints a dot for each. With a number in
// argv[4] it prints `!` in the middle of that one's files, counted from 1, and goes no further.
import { writeFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { RunFolder } from "../../lib/trainer/run-folder.ts";
import type { RunRecord } from "../../lib/trainer/run-record.ts";

const [, , dir = "", resume = "", halt = "0"] = process.argv;
const record: RunRecord = { command: "train", config: { test: true }, git: undefined, build: {} };
await using run = await RunFolder.open({ dir, record, resume: resume === "resume" });
const first = (run.resumeFrom?.step ?? 0) + 1;
for (let step = first; ; step += 1) {
  await run.metrics.append(step, { "reward/overall": step / 1000 });
  await run.writeCheckpoint(step, async (folder) => {
    await mkdir(join(folder, "nested"));
    await writeFile(join(folder, "weights.bin"), Buffer.alloc(100_000, step % 251));
    if (step - first + 1 === Number(halt)) await stopHere();
    await writeFile(join(folder, "nested", "state.json"), JSON.stringify({ step }));
  });
  await run.checkpoints.prune({ saveLimit: 2, bestStep: 1 });
  process.stdout.write(".");
}

/** Never ends. */
async function stopHere(): Promise<void> {
  process.stdout.write("!");
  await new Promise(() => setInterval(() => undefined, 1000));
}
