import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { configJsonSchema } from "../../lib/config/json-schema.ts";
import { noteLines } from "../../lib/config/notes.ts";

interface Schema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: unknown;
  readonly required?: readonly string[];
  readonly anyOf?: readonly Schema[];
}

function* fields(schema: Schema, path: string): Generator<[string, Schema]> {
  for (const option of schema.anyOf ?? []) yield* fields(option, path);
  for (const [key, field] of Object.entries(schema.properties ?? {})) {
    yield [`${path}${key}`, field];
    yield* fields(field, `${path}${key}.`);
  }
}

test("every setting in the JSON Schema is described", () => {
  const all = [...fields(configJsonSchema(), "")];
  expect(all.length).toBeGreaterThan(100);
  expect(all.filter(([, field]) => (field.description ?? "") === "").map(([key]) => key)).toEqual([]);
});

test("the JSON Schema lets a file hold any part of a run, and nothing else", () => {
  const schema = configJsonSchema() as Schema;
  expect(schema.required ?? []).toEqual([]);
  expect(schema.properties?.model?.required ?? []).toEqual([]);
  const maps = [["", schema] as const, ...fields(schema, "")].filter(([, field]) => field.properties !== undefined);
  expect(maps.filter(([, field]) => field.additionalProperties !== false).map(([key]) => key)).toEqual([]);
  expect(Object.keys(schema.properties ?? {})).toEqual(expect.arrayContaining(["extends", "reward", "compat", "aug"]));
});

test("notes become one line each, with what kind they are", () => {
  const notes = { withoutEffect: ["a: has no effect"], ignored: ["b: no use"], neverRead: ["c: unused"] };
  expect(noteLines(notes)).toEqual([
    "a: has no effect",
    "ignored: b: no use",
    "never read by the reference itself: c: unused",
  ]);
});

test("the built-in format prompt is the published text", () => {
  const file = new URL("../../lib/processor/format-prompts/math_perception.jinja", import.meta.url);
  const instruction =
    "You first think through the reasoning process as an internal monologue, enclosed within <think> </think> tags. " +
    "Then, provide your final answer enclosed within \\boxed{}.";
  expect(readFileSync(file, "utf8")).toBe(`{{ content | trim }}\n\n${instruction}\n`);
});
