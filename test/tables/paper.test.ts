import { expect, test } from "vitest";
import { averageKey, gainKey } from "../../lib/tables/columns.ts";
import { nineBenchmarks } from "../../lib/tables/paper/nine.ts";
import { type PaperTable, recompute } from "../../lib/tables/paper/paper-table.ts";
import { paperTable1 } from "../../lib/tables/paper/table1.ts";
import { paperTable10 } from "../../lib/tables/paper/table10.ts";
import { paperTable11 } from "../../lib/tables/paper/table11.ts";
import { paperTable2 } from "../../lib/tables/paper/table2.ts";
import { paperTable3 } from "../../lib/tables/paper/table3.ts";
import { paperTable4 } from "../../lib/tables/paper/table4.ts";
import { paperTable5 } from "../../lib/tables/paper/table5.ts";
import { paperTable8 } from "../../lib/tables/paper/table8.ts";

const paperTables: Record<string, PaperTable> = {
  "1": paperTable1,
  "2": paperTable2,
  "3": paperTable3,
  "4": paperTable4,
  "5": paperTable5,
  "8": paperTable8,
  "10": paperTable10,
  "11": paperTable11,
};

const all = Object.entries(paperTables).flatMap(([name, table]) =>
  table.rows.flatMap((row) => recompute(table, row).map((found) => ({ name, row, ...found }))),
);

test("these printed numbers of the paper do not follow from its own rows, and no others", () => {
  const wrong = all
    .filter(({ follows }) => !follows)
    .map(({ name, row, key, printed, value }) => [name, row.label, row.size, key, printed, Number(value.toFixed(2))]);
  expect(wrong).toEqual([
    ["1", "PAPO_D", "3B", "Δ:vision-dependent", 5.97, 6.22],
    ["1", "PAPO_D", "7B", "Δ:vision-dependent", 19.09, 19.96], // the "19.1 %" of the abstract
    ["1", "PAPO_G", "Qwen3-VL-2B", "Δ:general", 4.52, 4.55], // the gains of the averages are printed
    ["1", "PAPO_G", "Qwen3-VL-2B", "Δ:vision-dependent", 6.27, 8.76],
    ["1", "PAPO_G", "Qwen3-VL-2B", "Δ:overall", 5.25, 6.42],
    ["3", "random 0.6", "7B", "Δ:overall", 3.55, 3.45],
    ["4", "γ = 0.04", "3B", "Δ:overall", -28.46, -30.23],
    ["10", "DAPO + entropy loss", "7B", "Δ:overall", 15.86, 15.39],
    ["10", "PAPO_D", "7B", "Δ:vision-dependent", 19.09, 19.96],
  ]);
});

test("every printed average is recomputed, and every gain where its columns or both groups are printed", () => {
  // Averages over all: 10 rows of Table 1, 4, 9, 5, 4, 6, 3 and 4 of the others; gains over all in those with a baseline.
  const count = (key: string) => all.filter((found) => found.key === key).length;
  expect(count(averageKey("overall"))).toBe(10 + 4 + 9 + 5 + 4 + 6 + 3 + 4);
  expect(count(gainKey("overall"))).toBe(5 + 1 + 7 + 4 + 3 + 4 + 2 + 1);
});

test("Δ is the mean of the columns' gains, by hand for PAPO_G 3B in general", () => {
  // 30.95/28.72 - 1 = 7.7646 %, 61.38/59.34 - 1 = 3.4378 %, 60.09/58.90 - 1 = 2.0204 %, 57.39/57.24 - 1 = 0.2621 %,
  // 57.14/55.25 - 1 = 3.4208 %; their sum 16.9057, a fifth of it 3.3811
  const found = all.find(({ name, row, key }) => name === "1" && row.label === "PAPO_G" && row.size === "3B" && key === "Δ:general"); // prettier-ignore
  expect(found?.value).toBeCloseTo(3.3811, 4);
  expect(found?.printed).toBe(3.38);
});

test("a printed average that is off by more than rounding is found", () => {
  const [first] = paperTable1.rows;
  if (!first) throw new Error("no rows");
  const row = { ...first, printed: { ...first.printed, "AVG:general": 51.91 } }; // 51.89 is right, rounding allows 0.01
  expect(recompute(paperTable1, row).filter(({ follows }) => !follows)).toMatchObject([{ key: "AVG:general" }]);
});

test("the nine benchmarks have 11,206 rows", () => {
  expect(nineBenchmarks.reduce((sum, { rows }) => sum + rows, 0)).toBe(11_206);
});

test("every row has a number for each of its table's benchmarks or for none", () => {
  for (const { benchmarks, rows } of Object.values(paperTables)) {
    for (const { printed } of rows) {
      const there = benchmarks.filter(({ name }) => printed[name] !== undefined);
      expect([0, benchmarks.length]).toContain(there.length);
      expect(Object.values(printed).every(Number.isFinite)).toBe(true);
    }
  }
});
