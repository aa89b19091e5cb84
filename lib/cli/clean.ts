import type { Command } from "@commander-js/extra-typings";

/** `papo clean`: disk space back from runs that have ended. */
export function registerClean(program: Command): void {
  program
    .command("clean")
    .description("show what can go from run folders: checkpoints beside the newest and the best, unfinished files")
    .argument("<dirs...>", "run folders, or folders that hold some")
    .option("--yes", "remove it")
    .option("--json", "print a JSON array of what goes or went")
    .action(async (dirs, { yes, json }) => {
      const { findRuns } = await import("../run-folders/find-runs.ts");
      const { cleanRun, planClean } = await import("../run-folders/clean.ts");
      const { formatBytes, printable } = await import("../run-folders/text.ts");
      const plans = [];
      for (const dir of await findRuns(dirs)) {
        const plan = await planClean(dir);
        plans.push(yes && plan.removals.length > 0 ? await cleanRun(dir) : plan);
      }
      if (json) {
        process.stdout.write(`${JSON.stringify(plans, null, 2)}\n`);
        return;
      }
      const removals = plans.flatMap((plan) => plan.removals);
      for (const { dir, skipped } of plans)
        if (skipped !== undefined) process.stderr.write(`papo: ${printable(dir)} is left alone: ${skipped}\n`);
      for (const { path, why, bytes } of removals)
        process.stdout.write(`${formatBytes(bytes).padStart(7)}  ${why.padEnd(17)}  ${printable(path)}\n`);
      const total = formatBytes(removals.reduce((sum, { bytes }) => sum + bytes, 0));
      if (removals.length === 0) process.stdout.write("nothing to remove\n");
      else process.stdout.write(yes ? `removed ${total}\n` : `${total} in all; nothing is removed without --yes\n`);
    });
}
