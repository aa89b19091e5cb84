// The pages of docs/: their generated parts are those of the code, every error has an entry, every link leads somewhere.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { referenceKeys } from "../../lib/config/easyr1-keys.ts";
import { settingKeys } from "../../lib/config/explain.ts";
import { loadRunConfig } from "../../lib/config/load.ts";
import { recipeNames } from "../../lib/config/recipes.ts";
import { settingGroups } from "../../lib/config/setting-docs.ts";
import * as errors from "../../lib/errors.ts";
import { packageRoot } from "../../lib/native/load.ts";
import { fillBlocks } from "../../scripts/lib/docs-blocks.mjs";
import { docPages, readPage } from "./shell-blocks.ts";

const settings = settingGroups();
const sources = {
  settings,
  referenceKeys,
  recipes: recipeNames().map((name) => [name, loadRunConfig([name])] as const),
};

test.each(docPages())("%s: its generated parts are up to date (npm run docs)", (page) => {
  expect(fillBlocks(readPage(page), sources)).toBe(readPage(page));
});

test("the list of settings holds each setting once, and nothing else", () => {
  const listed = settings.flatMap((group) => group.settings.map(({ key }) => key));
  const maps = settings.map(({ key }) => key);
  expect(new Set(listed).size).toBe(listed.length);
  expect(new Set([...listed, ...maps.filter((key) => key !== "")])).toEqual(settingKeys);
});

test("a setting is listed with its bounds, its default, and what it needs to act", () => {
  const found = (key: string) => settings.flatMap((group) => group.settings).find((setting) => setting.key === key);
  expect(found("rollout.n")).toMatchObject({ rule: "an integer >= 1", fallback: 1, needs: [] });
  expect(found("data.valBatchSize")).toMatchObject({ rule: "an integer >= 1, or -1 (the whole set)", fallback: -1 });
  expect(found("algorithm.klPrcp.tokenTopP")).toMatchObject({ rule: "a number > 0 and < 1, or null", fallback: null, needs: ["algorithm.klPrcp.enabled"] }); // prettier-ignore
  expect(found("model.path")?.fallback).toBeUndefined();
  expect(found("optim.betas")).toMatchObject({ rule: "two numbers >= 0 and < 1", fallback: [0.9, 0.999] });
  const blank = settings
    .flatMap((group) => group.settings)
    .filter(({ rule, meaning }) => rule === "" || meaning === "");
  expect(blank).toEqual([]);
});

test("every key of the published code is in the page for those who come from it", () => {
  const page = readPage("docs/coming-from.md");
  expect([...referenceKeys.keys()].filter((key) => !page.includes(`\`${key}\``))).toEqual([]);
});

const troubles = readPage("docs/troubleshooting.md");

test("every error class has an entry in the page on troubles", () => {
  const classes = Object.values(errors).map(({ name }) => name);
  expect(classes).toContain("ConfigError");
  expect(classes.filter((name) => !troubles.includes(`\n### ${name}\n`))).toEqual([]);
});

test.each([
  ["NativeErrorCode", "NativeError"],
  ["ResultsProblem", "ResultsError"],
])("every %s has a line in the entry of %s", (type, entry) => {
  const union = new RegExp(`export type ${type} =([^;]*);`, "u").exec(
    readFileSync(join(packageRoot, "lib/errors.ts"), "utf8"),
  );
  const codes = [...(union?.[1] ?? "").matchAll(/"(\w+)"/gu)].map(([, code = ""]) => code);
  const section = troubles.split(`\n### ${entry}\n`)[1]?.split("\n### ")[0] ?? "";
  expect(codes.length).toBeGreaterThan(3);
  expect(codes.filter((code) => !section.includes(`| \`${code}\``))).toEqual([]);
});

test.each(docPages())("%s: code blocks open and close, so that none is missed", (page) => {
  const fences = readPage(page).match(/^.*```.*$/gmu) ?? [];
  expect(fences.filter((line) => !/^ *```(?:sh|js|json|yaml|python|jinja|bibtex)?$/u.test(line))).toEqual([]);
  expect(fences.map((line) => line.trim() === "```")).toEqual(fences.map((_, index) => index % 2 === 1));
});

/** As GitHub makes them. */
function anchorsOf(page: string): string[] {
  return [...readPage(page).matchAll(/^#+ (.*)$/gmu)].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(/\s/gu, "-"),
  );
}

test.each(docPages())("%s: every link leads to a file, and to a heading where it names one", (page) => {
  const links = readPage(page)
    .replaceAll(/^ *```[^]*?^ *```$/gmu, "")
    .matchAll(/\]\(([^)\s]+)\)/gu);
  const broken = [...links].flatMap(([, link = ""]) => {
    if (/^https?:/u.test(link)) return [];
    const [path = "", anchor] = link.split("#");
    const target = path === "" ? page : join(dirname(page), path);
    if (!existsSync(join(packageRoot, target))) return [link];
    return anchor === undefined || anchorsOf(target).includes(anchor) ? [] : [link];
  });
  expect(broken).toEqual([]);
});

test("every page is in the site", () => {
  const { projectDocuments } = JSON.parse(readFileSync(join(packageRoot, "typedoc.json"), "utf8")) as { projectDocuments: string[] }; // prettier-ignore
  expect(["README.md", ...projectDocuments].toSorted()).toEqual(docPages().toSorted());
});
