import { expect, test } from "vitest";
import { DataError } from "../../lib/errors.ts";
import { responseClasses } from "../../lib/miniature/classify.ts";
import { annotationCounts } from "../../lib/tables/annotations.ts";
import { toMarkdown } from "../../lib/tables/render/markdown.ts";
import { tables } from "../../lib/tables/registry.ts";
import { type ErrorClassResult, errorClasses } from "../../lib/tables/results.ts";
import { runRef } from "./support.ts";

const linesOf = (name: string, scale: "paper" | "mini", results: readonly ErrorClassResult[]) => {
  const report = tables[name]?.make(scale, { errorClasses: results });
  return report ? toMarkdown(report.table).split("\n") : [];
};
const result = (
  method: string,
  counts: ErrorClassResult["counts"],
  seed = 1,
  benchmark = "digits",
): ErrorClassResult => ({
  run: runRef(method, { seed }),
  settings: "eval",
  benchmark,
  counts,
});

test("every class of the miniature's classifier is one of the figure", () => {
  const known: readonly string[] = [...errorClasses, "correct"];
  expect(responseClasses.filter((name) => !known.includes(name))).toEqual([]);
});

test("errors are for 100 errors of the baseline, of all benchmarks together", () => {
  const results = [
    result("grpo", { perception: 30, calculation: 10, correct: 60 }),
    result("grpo", { perception: 30, format: 10, correct: 60 }, 1, "hinted"), // 80 errors of 200
    result("papo_g", { perception: 20, calculation: 10, correct: 70 }),
    result("papo_g", { perception: 20, format: 10, correct: 70 }, 1, "hinted"), // 60 of 200: 75 for 100
  ];
  const lines = linesOf("figure1", "mini", results);
  expect(lines).toContain("| GRPO | ours | 75.00 | 0.00 | 12.50 | 0.00 | 12.50 | 100.00 | 40.00 |");
  expect(lines).toContain("| PAPO\\_G | ours | 50.00 | 0.00 | 12.50 | 0.00 | 12.50 | 75.00 | 30.00 |");
});

test("seeds are compared in pairs; those that the baseline lacks are left out", () => {
  const results = [
    result("grpo", { perception: 40, correct: 60 }),
    result("grpo", { perception: 50, correct: 50 }, 2),
    result("papo_g", { perception: 20, correct: 80 }), // 50 for 100
    result("papo_g", { perception: 35, correct: 65 }, 2), // 70 for 100
    result("papo_g", { perception: 90, correct: 10 }, 3),
  ];
  // 60, half a difference of 20 x 12.7062
  expect(linesOf("figure1", "mini", results)).toContain("| PAPO\\_G | ours, 2 seeds | 60.00 ± 127.06 | 0.00 ± 0.00 | 0.00 ± 0.00 | 0.00 ± 0.00 | 60.00 ± 127.06 | 27.50 ± 95.30 |"); // prettier-ignore
});

test("errors of a run that has not ended, and those over it, are incomplete", () => {
  const unfinished = { ...result("grpo", { perception: 40, correct: 60 }), run: runRef("grpo", { step: 3 }) };
  const lines = linesOf("figure1", "mini", [unfinished, result("papo_g", { perception: 20, correct: 80 })]);
  expect(lines.filter((line) => line.endsWith("| ours | incomplete | incomplete | incomplete | incomplete | incomplete | incomplete |"))).toHaveLength(2); // prettier-ignore
});

test("the paper's errors: 61 of 134 perception errors are gone", () => {
  const lines = linesOf("figure1", "paper", []);
  expect(lines).toContain("| GRPO | paper | 67.00 | 24.50 | 5.00 | 3.50 | 100.00 | 59.15 |");
  expect(lines).toContain("| PAPO\\_G | paper | 36.50 | 9.00 | 1.50 | 0.00 | 47.00 | 56.03 |"); // (134 - 61) / 200
});

const line = (values: object) => JSON.stringify({ id: "1", method: "grpo", size: "3B", benchmark: "Geo3k", class: "perception", ...values }); // prettier-ignore

const annotated = { id: "labels.jsonl", size: "3B", seed: 1, settings: "annotated", step: 0, steps: 0 };

test("annotations are counted by method, size, seed and benchmark", () => {
  const content = [line({}), line({ id: "2" }), "", line({ id: "2", method: "papo_g", class: "correct" })].join("\n");
  expect(annotationCounts(content, "labels.jsonl")).toEqual([
    { run: { ...annotated, method: "grpo" }, settings: "annotated", benchmark: "Geo3k", counts: { perception: 2 } },
    { run: { ...annotated, method: "papo_g" }, settings: "annotated", benchmark: "Geo3k", counts: { correct: 1 } },
  ]);
});

test("wrong answers that were picked for labelling have no error rate", () => {
  const content = [line({}), line({ id: "2" }), line({ method: "papo_g" }), line({ id: "2", method: "papo_g", class: "correct" })].join("\n"); // prettier-ignore
  const lines = linesOf("figure1", "paper", annotationCounts(content, "labels.jsonl"));
  expect(lines).toContain("| PAPO\\_G | ours | 50.00 | 0.00 | 0.00 | 0.00 | 50.00 | – |");
});

test.each([
  ["no JSON", "{", /labels\.jsonl:2: expected a JSON object/u],
  ["an unknown class", line({ class: "luck" }), /labels\.jsonl:2: class: /u],
  ["an unknown field", line({ note: "x" }), /labels\.jsonl:2: /u],
  ["no benchmark", line({ benchmark: undefined }), /labels\.jsonl:2: benchmark: /u],
  ["an item twice", line({ class: "format" }), /labels\.jsonl:2: 1 of grpo is annotated in row 1 already/u],
])("annotations: %s is refused with its row", (_, bad, message) => {
  const read = () => annotationCounts(`${line({})}\n${bad}`, "labels.jsonl");
  expect(read).toThrow(DataError);
  expect(read).toThrow(message);
});

test("Figure 8 counts perception and the others by set", () => {
  const semantic = (benchmark: string, counts: ErrorClassResult["counts"]): ErrorClassResult => ({
    run: { ...annotated, method: "papo_g-gamma0.01-semantic" },
    settings: "annotated",
    ...{ benchmark, counts },
  });
  const lines = linesOf("figure8", "paper", [semantic("Geo3k", { perception: 21, reasoning: 5, format: 4 })]);
  expect(lines).toContain("| Geo3k | ours | 21 | 9 | 70.0 |");
  expect(lines).toContain("| second row | paper | 28 | 2 | 93.3 |");
});
