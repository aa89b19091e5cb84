import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "@commander-js/extra-typings";
import { helpLayout } from "./help-layout.ts";
import { packageRoot } from "../native/load.ts";

/** papo's version as in package.json. */
export function papoVersion(): string {
  const text = readFileSync(join(packageRoot, "package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

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
