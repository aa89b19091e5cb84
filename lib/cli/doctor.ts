import type { Command } from "@commander-js/extra-typings";

export function registerDoctor(program: Command): void {
  program
    .command("doctor")
    .description("print versions and what the machine offers, and say what is wrong")
    .option("--json", "print one JSON object")
    .action(async (options) => {
      const { runDoctor } = await import("../doctor/doctor.ts");
      process.exitCode = await runDoctor({ json: options.json === true });
    });
}
