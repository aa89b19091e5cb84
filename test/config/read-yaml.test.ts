import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadRunConfig } from "../../lib/config/load.ts";
import { errorOf, folderWith, minimal, runOf } from "./support.ts";

const fail = (text: string) => errorOf(() => runOf(text)).message;

test("YAML 1.2 is read: off is a text, 1e-6 a number, comments and flow maps are allowed", () => {
  const run = runOf(`${minimal}# comment\noptim: { lr: 1e-6 } # more\nalgorithm: { klRef: { mode: off } }\n`);
  expect([run.optim.lr, run.algorithm.klRef.mode]).toEqual([1e-6, "off"]);
});

test("broken YAML is refused with its place", () => {
  expect(fail("seed: 1\nmodel: { path: x\n")).toMatch(/^run\.yaml:3:1: /u);
  expect(fail("seed: 1\nseed: 2\n")).toBe("run.yaml:2:1: Map keys must be unique");
  expect(fail("- 1\n")).toBe("run.yaml:1:1: expected a map of settings");
  expect(fail("text\n")).toBe("run.yaml:1:1: expected a map of settings");
  expect(fail("a: 1\n---\nb: 2\n")).toMatch(/^run\.yaml:2:1: /u);
  expect(fail("seed: !!python/object:os.system 1\n")).toMatch(/^run\.yaml:1:7: .*tag/u);
  expect(fail("seed:\n\t- 1\n")).toMatch(/^run\.yaml:2:1: /u);
});

test("a key that is no name is refused", () => {
  expect(fail("? [a, b]\n: 1\n")).toBe("run.yaml:1:3: expected a name as key");
  expect(fail("model: { 1: 2 }\n")).toBe("run.yaml:1:10: model: expected a name as key");
  expect(fail('"": 1\n')).toBe("run.yaml:1:1: expected a name as key");
});

test("__proto__ reaches no object, not even inside free-form settings", () => {
  expect(fail("__proto__: { seed: 7 }\n")).toBe("run.yaml:1:1: __proto__: unknown key");
  expect(fail(`${minimal}reward: { type: ./r.mjs, kwargs: { list: [{ __proto__: { x: 1 } }] } }\n`)).toContain(
    "reward.kwargs.list.0.__proto__: unknown key",
  );
  expect(({} as Record<string, unknown>).seed).toBeUndefined();
  expect(fail(`${minimal}constructor: { prototype: { x: 1 } }\n`)).toContain("run.yaml:3:1: constructor: unknown key");
});

test("aliases, and so alias bombs, are refused at the first one", () => {
  const bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n";
  expect(fail(bomb)).toBe("run.yaml:2:8: b.0: YAML aliases are not supported; use extends to share settings");
});

test("depth and size are bounded", () => {
  const nested = (depth: number) =>
    `reward: { type: ./r.mjs, kwargs: { x: ${"[".repeat(depth)}${"]".repeat(depth)} } }\n`;
  expect(runOf(minimal + nested(20)).reward.kwargs).toHaveProperty("x");
  expect(fail(minimal + nested(40))).toContain("nested deeper than 32 levels");
  expect(fail(`seed: ${"[".repeat(100_000)}`)).toMatch(/^run\.yaml.*: /u);
  expect(fail(`${minimal}# ${"x".repeat(300_000)}\n`)).toMatch(
    /expected a config file of at most 262144 bytes, got 3000\d\d/u,
  );
});

test("bytes that are no text, and a file that vanished, are a ConfigError", () => {
  const folder = folderWith({});
  writeFileSync(join(folder, "run.yaml"), Buffer.from([0xff, 0xfe, 0x00, 0x80, 0x3a, 0x20, 0x01]));
  expect(errorOf(() => loadRunConfig(["run.yaml"], { cwd: folder })).message).toContain("run.yaml");
  expect(errorOf(() => loadRunConfig(["gone.yaml"], { cwd: folder })).message).toContain("no such file");
});

test("an empty file is a run without settings", () => {
  expect(fail("")).toContain(
    "run.yaml: model.path: expected a checkpoint folder or a Hugging Face model id, got nothing",
  );
  expect(fail("# nothing\n")).toContain("model.path");
});
