import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadRunConfig } from "../../lib/config/load.ts";
import { calibrationReport } from "../../lib/plan/calibration-report.ts";
import { calibration, publishedTimes } from "../../lib/plan/calibration.ts";
import type { Calibration } from "../../lib/plan/calibration.ts";
import { packageRoot } from "../../lib/native/load.ts";
import { parseGpus } from "../../lib/plan/gpus.ts";
import { planRun } from "../../lib/plan/plan.ts";
import { publishedPasses } from "../../lib/plan/published.ts";

/** Sum of the squared logarithms of model / published over the fitted times. */
function misfit(constants: Calibration): number {
  return calibrationReport(constants)
    .filter(({ fitted }) => fitted)
    .reduce((sum, { error }) => sum + Math.log1p(error) ** 2, 0);
}

test("the constants are the fit to the 3B times that their comments describe", () => {
  const { papo, grpo, maskedForward } = publishedTimes["3B"];
  // 1920 responses over 2 processes, and 384 masks drawn by one
  expect(calibration.imageSeconds).toBeCloseTo((papo - grpo - maskedForward) / (960 + 384), 4);
  const fits = Array.from({ length: 11 }, (_, index) => 0.3 + index * 0.01);
  const best = fits.reduce((a, b) => {
    return misfit({ ...calibration, utilisation: a }) <= misfit({ ...calibration, utilisation: b }) ? a : b;
  });
  expect(calibration.utilisation).toBeCloseTo(best, 6);
});

test("two constants meet three 3B times within 25 %, and the 7B times, which they have not seen, within 35 %", () => {
  const report = calibrationReport(calibration);
  expect(report.filter(({ fitted }) => fitted)).toHaveLength(3);
  for (const { size, what, error, fitted } of report) {
    expect(Math.abs(error), `${size} ${what}`).toBeLessThan(fitted ? 0.25 : 0.35);
  }
});

test("the published system makes 7 passes for PAPO, 6 without reference or mask, 11 with a trained masked branch", () => {
  const total = (recipe: string, ...overrides: string[]) => {
    const { old, ref, aug, update } = publishedPasses(loadRunConfig([recipe, ...overrides]));
    return old + ref + aug + update;
  };
  expect(total("qwen2_5_vl_3b_grpo_papo")).toBe(7);
  expect(total("qwen2_5_vl_3b_grpo")).toBe(6);
  expect(total("qwen2_5_vl_3b_dapo_papo")).toBe(6);
  expect(total("qwen2_5_vl_3b_grpo_papo", "aug.grad=recompute")).toBe(11);
});

test("the table of predictions in docs/performance.md is what papo plan gives", async () => {
  const rows = readFileSync(join(packageRoot, "docs", "performance.md"), "utf8").matchAll(
    /^\| `(\S+)` +\| (\d) x H100 \| (\d+) s +\| (\d+) s.*\| (\d+) s +\|$/gmu,
  );
  const table = [...rows];
  expect(table).toHaveLength(4);
  for (const [, recipe = "", count, stated, model, papo] of table) {
    const { published, step } = await planRun(loadRunConfig([recipe]), { gpus: parseGpus(`${count}xh100`) });
    const times = publishedTimes[recipe.includes("_3b_") ? "3B" : "7B"];
    expect(Number(stated)).toBe(Math.round(recipe.endsWith("papo") ? times.papo : times.grpo));
    expect(Number(model), recipe).toBe(Math.round(published.total));
    expect(Number(papo), recipe).toBe(Math.round(step.seconds.total));
  }
});
