import type { Command } from "@commander-js/extra-typings";

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

const toJson = (value: unknown) => JSON.stringify(value, null, 2);

/** `papo config list | show | schema`: what runs there are, what one resolves to, what a file may hold. */
export function registerConfig(program: Command): void {
  const config = program.command("config").description("look at the settings of runs");

  config
    .command("list")
    .description("print the recipes that come with papo")
    .action(async () => {
      const { recipeNames, recipeTitle } = await import("../config/recipes.ts");
      const names = recipeNames();
      const width = Math.max(...names.map((name) => name.length));
      for (const name of names) print(`${name.padEnd(width)}  ${recipeTitle(name)}`);
    });

  config
    .command("show")
    .description("print the resolved run, with notes on settings that do nothing")
    .argument("<words...>", "RECIPE, FILE or config=FILE, then key=value settings")
    .option("--json", "print JSON; YAML otherwise")
    .action(async (words, options) => {
      const [{ loadRunConfig }, yaml] = await Promise.all([import("../config/load.ts"), import("yaml")]);
      const run = loadRunConfig(words);
      print(options.json === true ? toJson(run) : yaml.stringify(run).trimEnd());
    });

  config
    .command("schema")
    .description("print the JSON Schema of a config file")
    .action(async () => {
      const { configJsonSchema } = await import("../config/json-schema.ts");
      print(toJson(configJsonSchema()));
    });
}
