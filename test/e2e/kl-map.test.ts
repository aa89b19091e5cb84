import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseHtml, withClass } from "../support/html.ts";
import { runPapo } from "../support/processes.ts";
import { freshPath, makeWorld, removeWorld, type World } from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => {
  removeWorld(world);
});

const words = (out: string, ...more: string[]) =>
  ["kl-map", "--model", world.model, "--data", world.data, "--row", "3", "--n", "2", "--max-tokens", "7", "--out", out, ...more]; // prettier-ignore

test("papo kl-map writes a page of a row's responses with the reward's parts", async () => {
  const out = freshPath(world, "page.html");
  const run = runPapo(words(out, "--ratio", "0.8", "--reward", world.reward));
  expect(run).toMatchObject({ status: 0, stderr: "" });
  expect(run.stdout).toMatch(/page\.html: \S+, mean KL_prcp of each response \d\.\d{3}, \d\.\d{3}\n$/u);
  const page = await parseHtml(readFileSync(out, "utf8"));
  expect(withClass(page, "response")).toHaveLength(2);
  expect(withClass(page, "badge").map(({ text }) => text.split(" ")[0])).toContain("accuracy");
});

test.for([
  [["--row", "9"], /^papo: --row: expected 1 to 8, got 9\n$/u],
  [["--row", "0"], /Expected an integer >= 1\.\n$/u],
  [["--ratio", "1.5"], /Expected a number from 0 to 1\.\n$/u],
  [["--mode", "patch", "--patch-px", "15"], /^papo: --patch-px: .*\n$/u],
  [["--out", join("no", "such", "page.html")], /^papo: --out: there is no folder no.such\n$/u],
] as const)("papo kl-map %j ends with one line", ([more, line]) => {
  const run = runPapo(words(freshPath(world, "wrong.html"), ...more));
  expect(run).toMatchObject({ stdout: "" });
  expect(run.status).not.toBe(0);
  expect(run.stderr).toMatch(line);
});

test("a folder is no page", () => {
  const folder = dirname(freshPath(world, "x"));
  expect(runPapo(words(folder)).stderr).toBe(`papo: --out: expected the name of a file, got the folder ${folder}\n`);
});
