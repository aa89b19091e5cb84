import { Command } from "@commander-js/extra-typings";
import { papoVersion } from "../version.ts";
import { helpLayout } from "./help-layout.ts";

/**
 * The program without its commands. A usage error prints one `papo: <text>` line and throws a CommanderError;
 * commands made by `program.command()` inherit that.
 */
export function createProgram(): Command {
  return new Command("papo")
    .description("Perception-aware reinforcement learning for vision-language models: GRPO, DAPO and PAPO.")
    .version(papoVersion())
    .configureHelp(helpLayout)
    .configureOutput({
      outputError: (text, write) => {
        write(
          `papo: ${text
            .replace(/^error: /, "")
            .trim()
            .replace(/\s*\n\s*/g, " ")}\n`,
        );
      },
    })
    .exitOverride();
}
