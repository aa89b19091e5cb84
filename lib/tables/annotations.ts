// Error classes that people gave to wrong responses: a JSONL file, one object a line:
// {"id": "item 12", "method": "papo_g", "size": "3B", "benchmark": "Geo3k", "class": "perception"}
import { z } from "zod";
import { DataError } from "../errors.ts";
import { type ErrorClassResult, errorClasses } from "./results.ts";

const annotationSchema = z.strictObject({
  id: z.string().min(1),
  method: z.string().min(1),
  size: z.string().min(1),
  seed: z.int().min(0).default(1),
  benchmark: z.string().min(1),
  class: z.enum([...errorClasses, "correct"]),
});
/** Nothing is known of the settings behind the responses. */
const annotated = "annotated";

type Annotation = z.output<typeof annotationSchema>;

/**
 * Counts by method, size, seed and benchmark.
 * @param file for messages
 * @throws {DataError} a line that is no annotation, or an item that a method has twice
 */
export function annotationCounts(content: string, file: string): ErrorClassResult[] {
  const seen = new Map<string, number>();
  const groups = new Map<string, Annotation[]>();
  for (const [index, line] of content.split("\n").entries()) {
    if (line.trim() === "") continue;
    const annotation = parse(line, file, index + 1);
    const { id, method, size, seed, benchmark } = annotation;
    const group = JSON.stringify([method, size, seed, benchmark]);
    const first = seen.get(`${group} ${id}`);
    if (first !== undefined)
      throw new DataError(file, index + 1, `${id} of ${method} is annotated in row ${first} already`);
    seen.set(`${group} ${id}`, index + 1);
    groups.set(group, [...(groups.get(group) ?? []), annotation]);
  }
  return [...groups.values()].flatMap((annotations) => countsOf(annotations, file));
}

function parse(line: string, file: string, row: number): Annotation {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new DataError(file, row, "expected a JSON object");
  }
  const { data, error } = annotationSchema.safeParse(value);
  if (data) return data;
  const [issue] = error.issues;
  throw new DataError(file, row, `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "expected an annotation"}`);
}

/** Right responses are counted where any are annotated: else only wrong ones were picked, and their share is unknown. */
function countsOf(annotations: readonly Annotation[], file: string): ErrorClassResult[] {
  const [first] = annotations;
  if (!first) return [];
  const { method, size, seed, benchmark } = first;
  const counts: Partial<Record<Annotation["class"], number>> = {};
  for (const { class: name } of annotations) counts[name] = (counts[name] ?? 0) + 1;
  const run = { id: file, method, size, seed, settings: annotated, step: 0, steps: 0 };
  return [{ run, settings: annotated, benchmark, counts }];
}
