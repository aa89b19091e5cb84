// What the real command line makes of words, without doing it.
import type { Command } from "@commander-js/extra-typings";
import { createCommandLine } from "../../lib/cli/commands.ts";
import { loadRunConfig } from "../../lib/config/load.ts";

const quiet = () => undefined;

function disarm(command: Command): void {
  command.configureOutput({ writeOut: quiet, writeErr: quiet });
  command.action(quiet);
  command.commands.forEach((inner) => {
    disarm(inner as Command);
  });
}

/** Commands whose words are a run. */
const ofRuns = /^(?:train|sft|plan|config show)(?: |$)/u;

/**
 * Parses the words as `papo` would: commands, options, their values, arguments, and the settings of runs.
 * @throws {CommanderError} for what the command line refuses
 * @throws {ConfigError} for what no run may be
 */
export async function parseCommand(words: readonly string[], cwd: string): Promise<void> {
  const program: Command = createCommandLine();
  program.commands.forEach((command) => {
    disarm(command as Command);
  });
  program.configureOutput({ writeOut: quiet, writeErr: quiet });
  await program.parseAsync(["node", "papo", ...words]);
  if (!ofRuns.test(words.join(" "))) return;
  const path = words[0] === "config" ? 2 : 1;
  const option = words.findIndex((word) => word.startsWith("--"));
  const settings = words.slice(path, option < 0 ? undefined : option);
  loadRunConfig(settings, { cwd, groups: words[0] !== "sft" });
}

/** Names of all options of a command, by its words: `["bench", "ops"]`; undefined for no command. */
export function optionsOf(names: readonly string[]): readonly string[] | undefined {
  let command: Command = createCommandLine();
  for (const name of names) {
    const inner = command.commands.find((candidate) => candidate.name() === name);
    if (inner === undefined) return undefined;
    command = inner as Command;
  }
  return command.options.flatMap(({ long, short }) => [long, short].filter((name) => typeof name === "string"));
}
