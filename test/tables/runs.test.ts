import { expect, test } from "vitest";
import { loadRunConfig } from "../../lib/config/load.ts";
import { tables } from "../../lib/tables/registry.ts";
import type { RowRun } from "../../lib/tables/runs.ts";

const scales = ["paper", "mini"] as const;
const definitions = Object.values(tables);
const everyRun = definitions.flatMap(({ runs }) => scales.flatMap((scale) => runs[scale]));
const nameOf = ({ method, size }: RowRun) => `${method} ${size}`;
const distinct = [...new Map(everyRun.map((run) => [nameOf(run), run])).values()];
const trained = distinct.filter(({ recipe }) => recipe !== null);

function configOf({ recipe, overrides }: RowRun) {
  const { model, algorithm, aug, notes } = loadRunConfig([recipe ?? "", ...overrides]);
  return { model: model.path, algorithm, aug, notes };
}

test("the registry has every table and figure that needs training or evaluation", () => {
  const tableNames = [1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14].map((number) => `table${number}`);
  const figureNames = [1, 4, 5, 8, 9, 10, 11, 12].map((number) => `figure${number}`);
  expect(Object.keys(tables).sort()).toEqual([...tableNames, ...figureNames].sort());
  for (const [name, definition] of Object.entries(tables)) {
    expect(definition.name).toBe(name);
    expect(definition.reference).toMatch(/^(?:Table|Figure) \d+$/u);
  }
});

test("a method of one size is the same run in every table", () => {
  for (const run of everyRun) {
    const first = distinct.find((other) => nameOf(other) === nameOf(run));
    expect([nameOf(run), run.recipe, run.overrides]).toEqual([nameOf(run), first?.recipe, first?.overrides]);
  }
});

test.each(trained.map((run) => [nameOf(run), run] as const))("%s: its recipe and overrides load", (_, run) => {
  expect(() => configOf(run)).not.toThrow();
});

test("no two methods of one size are the same training, but for those that papo cannot run", () => {
  const seen = new Map<string, string>();
  for (const run of trained.filter(({ blocked }) => blocked === undefined)) {
    const { model, algorithm, aug } = configOf(run);
    // Without a gradient through the masked branch its entropy term does nothing.
    const augCoef = aug.grad === "none" ? 0 : algorithm.entropy.augCoef;
    const effective = { ...algorithm, entropy: { ...algorithm.entropy, augCoef } };
    const config = JSON.stringify({ model, effective, aug, size: run.size });
    expect([nameOf(run), seen.get(config)]).toEqual([nameOf(run), undefined]);
    seen.set(config, nameOf(run));
  }
});

// method, size, γ, η 2, η 1, β, ratio; 0 is off.
test.each([
  ["grpo", "3B", 0, 0, 0, 0.01, 0.6],
  ["papo_g", "3B", 0.02, 0, 0, 0.01, 0.6],
  ["papo_g", "7B", 0.02, 0.05, 0.05, 0.01, 0.6],
  ["papo_d", "7B", 0.01, 0.03, 0.03, 0, 0.6],
  ["papo_g-gamma0.04", "3B", 0.04, 0, 0, 0.01, 0.6],
  ["papo_g-gamma0.01", "7B", 0.01, 0, 0, 0.01, 0.6],
  ["papo_g-gamma0.02", "7B", 0.02, 0, 0, 0.01, 0.6],
  ["papo_g-gamma0.01-ratio0.8", "3B", 0.01, 0, 0, 0.01, 0.8],
  ["papo_g-recompute", "7B", 0.02, 0.05, 0.05, 0.01, 0.6],
  ["papo_g-aug-entropy", "7B", 0.02, 0.05, 0, 0.01, 0.6],
  ["papo_g-eta0.03", "7B", 0.02, 0, 0.03, 0.01, 0.6],
  ["grpo-no_kl_ref", "3B", 0, 0, 0, 0, 0.6],
  ["papo_g-no_kl_ref", "7B", 0.01, 0.03, 0.03, 0, 0.6],
  ["dapo-ori-entropy", "7B", 0, 0, 0.03, 0, 0.6],
  ["papo_g", "mini", 0.3, 0, 0, 0.01, 0.6],
  ["papo_g-gamma10-eta0.05", "mini", 10, 0, 0.05, 0.01, 0.6],
  ["papo_g-gamma10-larger-beta", "mini", 10, 0, 0, 0.05, 0.6],
])("%s %s trains as the paper says", (method, size, gamma, aug, ori, beta, ratio) => {
  const run = trained.find((one) => one.method === method && one.size === size);
  if (!run) throw new Error(`no run ${method} ${size}`);
  const config = configOf(run);
  const { klPrcp, klRef, entropy } = config.algorithm;
  expect([klPrcp.enabled ? klPrcp.coef : 0, entropy.augCoef, entropy.oriCoef]).toEqual([gamma, aug, ori]);
  expect([klRef.mode === "off" ? 0 : klRef.coef, config.aug.ratio]).toEqual([beta, ratio]);
});

test("every baseline is a row of the same table and size", () => {
  for (const { runs } of definitions) {
    for (const scale of scales) {
      for (const { baseline, size } of runs[scale].filter((run) => run.baseline !== undefined))
        expect(runs[scale].some((run) => run.label === baseline && run.size === size)).toBe(true);
    }
  }
});

test("runs that papo cannot make say why", () => {
  const blocked = distinct.filter((run) => run.blocked !== undefined).map(nameOf);
  expect(blocked.sort()).toEqual([
    "grpo Qwen3-VL-2B",
    "grpo-noisyrollout 3B",
    "papo_g Qwen3-VL-2B",
    "papo_g-larger-beta 7B",
    "papo_g-noisyrollout 3B",
  ]);
});
