import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { memberNumberText, parseJson } from "../../lib/data/json-text.ts";
import { badFiles } from "../support/data.ts";

const parse = (text: string) => parseJson(Buffer.from(text));

test("64 levels are read and 65 are refused, brackets in strings not counted", () => {
  expect(() => parse("[".repeat(64) + "]".repeat(64))).not.toThrow();
  expect(() => parse("[".repeat(65) + "]".repeat(65))).toThrow("nested deeper than 64 levels");
  expect(parse(`"${"[".repeat(500)}"`)).toBe("[".repeat(500));
  expect(parse(`["\\"${"[".repeat(500)}\\\\"]`)).toEqual([`"${"[".repeat(500)}\\`]);
});

test("a hundred thousand open brackets are refused without a stack overflow", () => {
  expect(() => parse("[".repeat(100_000))).toThrow(SyntaxError);
  expect(() => parse('{"":'.repeat(100_000))).toThrow(SyntaxError);
});

test("bytes that are not UTF-8 are refused", () => {
  expect(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22))).toThrow("not valid UTF-8");
});

test("a number keeps its characters, and only that of the asked member on the top level", () => {
  expect(memberNumberText('{"answer": 1.50}', "answer")).toBe("1.50");
  expect(memberNumberText('{"a":{"answer":7},"answer":-12345678901234567890 ,"b":[3]}', "answer")).toBe(
    "-12345678901234567890",
  );
  expect(memberNumberText('{"b":"\\"answer\\":5","answer":1E+2}', "answer")).toBe("1E+2");
  expect(memberNumberText('{"\\u0061nswer":1,"answer":2.0}', "answer")).toBe("2.0");
  expect(memberNumberText('{"answer":"1"}', "answer")).toBeUndefined();
  expect(memberNumberText('{"other":1}', "answer")).toBeUndefined();
});

test("every JSON text of the data folder is read or refused as its manifest says", () => {
  for (const { row, path } of badFiles("JSON texts", (row) => /\.json$/.test(String(row["path"])) && "expect" in row)) {
    const bytes = readFileSync(path);
    if (row["expect"] === "accept") expect(parseJson(bytes), path).toEqual(JSON.parse(bytes.toString("utf8")));
    else if (row["expect"] === "reject") expect(() => parseJson(bytes), path).toThrow(SyntaxError);
    else expect(outcome(bytes), path).toMatch(/^(value|SyntaxError)$/);
  }
});

function outcome(bytes: Uint8Array): string {
  try {
    parseJson(bytes);
    return "value";
  } catch (error) {
    return (error as Error).name;
  }
}
