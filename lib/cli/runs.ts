import type { Command } from "@commander-js/extra-typings";

/** `papo runs`: the runs under some folders. */
export function registerRuns(program: Command): void {
  program
    .command("runs")
    .description("list runs with state, steps, best validation and disk use")
    .argument("[dirs...]", "run folders, or folders that hold some (default: runs)")
    .option("--json", "print a JSON array in place of the table")
    .action(async (dirs, { json }) => {
      const { findRuns } = await import("../run-folders/find-runs.ts");
      const { describeRun } = await import("../run-folders/describe-run.ts");
      const { runList } = await import("../run-folders/run-list.ts");
      const { lineWidth } = await import("../trainer/terminal.ts");
      const runs = [];
      for (const dir of await findRuns(dirs.length > 0 ? dirs : ["runs"])) {
        const run = await describeRun(dir).catch(() => undefined); // removed meanwhile
        if (run) runs.push(run);
      }
      if (json) process.stdout.write(`${JSON.stringify(runs, null, 2)}\n`);
      else if (runs.length === 0) process.stderr.write("papo: no runs there\n");
      else process.stdout.write(`${runList(runs, lineWidth(process.stdout)).join("\n")}\n`);
    });
}
