// Every kernel's launcher has a caller: the table of native/README.md, read both ways.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packageRoot } from "../../lib/native/load.ts";

const folder = join(packageRoot, "native");
const read = (...path: string[]) => readFileSync(join(folder, ...path), "utf8");

/** Functions that kernels/*.cuh declare with a stream: launchers. */
const launchers = readdirSync(join(folder, "kernels"))
  .filter((file) => file.endsWith(".cuh"))
  .flatMap((file) => Array.from(read("kernels", file).matchAll(/^cudaError_t (\w+)\(/gm), ([, name = ""]) => name))
  .sort();

/** Rows `| launcher, launcher | file |` below the heading. */
const section = read("README.md").split("## Who calls the kernels\n")[1]?.split("\n## ")[0] ?? "";
const callers = new Map(
  Array.from(section.matchAll(/^\| (`.*`) +\| `(.*)` +\|$/gm)).flatMap(([, names = "", file = ""]) =>
    Array.from(names.matchAll(/`(\w+)`/g), ([, name = ""]) => [name, file] as const),
  ),
);

test("the table has each launcher once, and nothing else", () => {
  expect(launchers.length).toBeGreaterThan(10);
  expect([...callers.keys()].sort()).toEqual(launchers);
});

test.each([...callers])("%s is called from %s", (name, file) => {
  expect(file).not.toMatch(/^test\//);
  expect(read(...file.split("/"))).toMatch(new RegExp(`kernels::${name}\\(`));
});
