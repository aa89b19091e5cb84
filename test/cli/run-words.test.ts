import { join } from "node:path";
import { expect, test } from "vitest";
import { runWords } from "../../lib/cli/run-words.ts";
import { loadRunConfig } from "../../lib/config/load.ts";

const cwd = join("/some", "where");
const outDir = (out: string | undefined) =>
  loadRunConfig(runWords("miniature-grpo", ["model.path=x", "trainer.outDir=other"], out), { cwd }).trainer.outDir;

test("--out is a folder's name whatever YAML would make of it, and lies over trainer.outDir", () => {
  for (const name of ["null", "123", "true", "[a]", "{b", '"c"', "d: e", "f #g", " h", "~", "ü\\n"]) {
    expect(outDir(name)).toBe(join(cwd, name));
  }
  expect(outDir(undefined)).toBe(join(cwd, "other"));
});
