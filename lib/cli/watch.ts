import type { Command } from "@commander-js/extra-typings";
import { numberIn } from "./option-values.ts";

/** `papo watch RUN_DIR`: a run's numbers in the terminal, live. */
export function registerWatch(program: Command): void {
  program
    .command("watch")
    .description("show a run's numbers as they come, with sparklines; plain lines where there is no terminal")
    .argument("<run-dir>", "the run folder")
    .option("--interval <seconds>", "time between looks", numberIn(0.05, 3600), 1)
    .option("--once", "show what is there and stop")
    .action(async (dir, { interval, once }) => {
      const { watchRun } = await import("../run-folders/watch.ts");
      const controller = new AbortController();
      // Ctrl-C is how watching ends, so it is no failure.
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
        process.once(signal, () => {
          controller.abort();
        });
      const { stdout, env } = process;
      const { signal } = controller;
      await watchRun(dir, { stdout, env, intervalMs: interval * 1000, once: once ?? false, signal });
    });
}
