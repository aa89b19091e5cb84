import { expect, test, vi } from "vitest";
import { parse } from "yaml";
import { registerConfig } from "../../lib/cli/config.ts";
import { createProgram } from "../../lib/cli/program.ts";
import { loadRunConfig } from "../../lib/config/load.ts";
import { recipeNames } from "../../lib/config/recipes.ts";
import { ConfigError } from "../../lib/errors.ts";

/** What `papo config ...` prints. */
async function printed(...words: string[]): Promise<string> {
  const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  try {
    const program = createProgram();
    registerConfig(program);
    await program.parseAsync(["config", ...words], { from: "user" });
    return write.mock.calls.map(([text]) => String(text)).join("");
  } finally {
    write.mockRestore();
  }
}

test("config list prints every recipe with its title", async () => {
  const lines = (await printed("list")).trimEnd().split("\n");
  expect(lines.map((line) => line.split(" ")[0])).toEqual(recipeNames());
  expect(lines.every((line) => /^\S+ {2,}\S/u.test(line))).toBe(true);
});

test("config show prints the resolved run as JSON and as YAML", async () => {
  const words = ["qwen2_5_vl_3b_grpo_papo", "optim.lr=2e-6", "trainer.valFreq=-1"];
  const run = JSON.parse(JSON.stringify(loadRunConfig(words))) as unknown;
  expect(JSON.parse(await printed("show", ...words, "--json"))).toEqual(run);
  expect(parse(await printed("show", ...words))).toEqual(run);
});

test("config schema prints a JSON Schema", async () => {
  expect(JSON.parse(await printed("schema"))).toMatchObject({ type: "object", additionalProperties: false });
});

test("config show of a broken run is a ConfigError", async () => {
  await expect(printed("show", "qwen2_5_vl_3b_grpo", "rollout.n=1")).rejects.toThrow(ConfigError);
});
