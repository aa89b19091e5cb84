import { expect, test } from "vitest";
import { loadRunConfig } from "../../lib/config/load.ts";
import { recipeNames } from "../../lib/config/recipes.ts";
import { maxSide } from "../../lib/miniature/scene.ts";
import { cellPixels } from "../../lib/miniature/sheet.ts";

const names = recipeNames().filter((name) => name.startsWith("miniature-"));

test("the miniature world has a recipe for each of the four methods", () => {
  expect(names).toEqual(["miniature-dapo", "miniature-dapo-papo", "miniature-grpo", "miniature-papo"]);
});

test.each(names)("%s leaves every grid its size, so that a cell is one image token", (name) => {
  const { minPixels, maxPixels } = loadRunConfig([name]).data;
  expect(minPixels).toBeLessThanOrEqual(cellPixels ** 2);
  expect(maxPixels).toBeGreaterThanOrEqual((maxSide * cellPixels) ** 2);
});

test.each(names)("%s sets nothing that cannot act", (name) => {
  expect(loadRunConfig([name]).notes.withoutEffect).toEqual([]);
});

test.each(["grpo", "dapo"])("PAPO on %s differs from it in the perception terms and the name alone", (method) => {
  const plain = loadRunConfig([`miniature-${method}`, "trainer.experimentName=same"]);
  const papo = loadRunConfig([
    method === "grpo" ? "miniature-papo" : "miniature-dapo-papo",
    "trainer.experimentName=same",
  ]);
  const { klPrcp, entropy } = plain.algorithm;
  expect(papo.algorithm.klPrcp.enabled).toBe(true);
  expect({ ...papo, aug: plain.aug, algorithm: { ...papo.algorithm, klPrcp, entropy } }).toEqual(plain);
});
