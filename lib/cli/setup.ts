import type { Command } from "@commander-js/extra-typings";

/** `papo setup`: libtorch for an installed package. */
export function registerSetup(program: Command): void {
  program
    .command("setup")
    .description("prepare libtorch for an installed papo: downloaded by pip, kept for all of this user's projects")
    .option("--cuda", "the one for NVIDIA GPUs (4.4 GB)")
    .action(async (options) => {
      const { setUp } = await import("../setup/setup.ts");
      await setUp({ cuda: options.cuda === true });
    });
}
