import { expect, test } from "vitest";
import { select } from "../../lib/reproduce/selection.ts";

const key = ({ run, seed }: ReturnType<typeof select>["runs"][number]) => `${run.method} ${seed}`;

test("a run that several tables need is there once and knows them all, one seed after another", () => {
  const { runs } = select({ names: ["table1", "figure1", "table14"], scale: "mini", seeds: 2 });
  expect(runs.map(key)).toEqual(["grpo 1", "papo_g 1", "dapo 1", "papo_d 1", "grpo 2", "papo_g 2", "dapo 2", "papo_d 2"]); // prettier-ignore
  expect(runs[0]?.tables).toEqual(["table1", "figure1", "table14"]);
});

test("each table has as many seeds as it says, and a run as many as the table that wants most", () => {
  const { tables, runs } = select({ names: ["table1", "figure8", "table1"], scale: "mini" });
  expect(tables.map(({ definition, seeds }) => [definition.name, seeds])).toEqual([
    ["table1", [1, 2, 3]],
    ["figure8", [1]],
  ]);
  expect(runs).toHaveLength(4 * 3);
});

test("an unknown name names the nearest one", () => {
  expect(() => select({ names: ["table1", "tabel4"], scale: "mini" })).toThrow(/^NAME: expected all or names out of table1, .*; got "tabel4" \(did you mean table4\?\)$/u); // prettier-ignore
  expect(() => select({ names: ["constructor"], scale: "mini" })).toThrow(/got "constructor"$/u);
});

test("what papo cannot run is left out with its reason: blocked rows, suites without benchmarks, attention", () => {
  const names = ["table5", "table9", "table12", "table13", "figure1"];
  const { runs, leftOut } = select({ names, scale: "paper" });
  const lines = leftOut.map(
    ({ table, run, reason }) => `${table} ${run?.method ?? "all"} ${run?.size ?? ""}: ${reason}`,
  );
  expect(lines).toEqual([
    "table5 papo_g-larger-beta 7B: the larger β is not published",
    "table9 all : attention is not measured here, but read from attention.json of the result folders",
    "table12 all : papo has no benchmark OCRBench-v2",
    "table13 all : papo has no benchmark MMLU-Pro",
    "figure1 all : what went wrong is for people to say, in annotations.jsonl",
  ]);
  expect(runs.filter(({ tables }) => tables.includes("table12"))).toEqual([]);
  expect(runs.filter(({ run }) => run.blocked !== undefined)).toEqual([]);
});

test("a table without runs at a scale says so", () => {
  const { runs, leftOut } = select({ names: ["table2"], scale: "mini" });
  expect(runs).toEqual([]);
  expect(leftOut).toEqual([{ table: "table2", reason: "there is nothing to run at scale mini" }]);
});
