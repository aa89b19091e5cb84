import { expect, test } from "vitest";
import { parseOverride } from "../../lib/config/overrides.ts";
import { toPlain } from "../../lib/config/tree.ts";
import { errorOf, minimal, runOf } from "./support.ts";

const valueOf = (word: string) => toPlain(parseOverride(word, "/").setting);

test.each([
  ["a=1e-6", 1e-6],
  ["a=-1", -1],
  ["a=true", true],
  ["a=off", "off"],
  ["a=null", null],
  ["a=", null],
  ["a=[0.9, 0.95]", [0.9, 0.95]],
  ["a={x: 1, y: [2]}", { x: 1, y: [2] }],
  ["a='1'", "1"],
  ["a=b=c", "b=c"],
  ["a=text with spaces", "text with spaces"],
  ["a=You are: helpful", "You are: helpful"],
  ["a=text #5", "text #5"],
  ["a=- item", "- item"],
  ["a=*x", "*x"],
  ["a=&x 1", "&x 1"],
  ["a=!!int 1", "!!int 1"],
  ["a=org/name@split", "org/name@split"],
])("%s means %j", (word, value) => {
  expect(valueOf(word)).toEqual(value);
});

test("the later override lies over the earlier, and a map over a setting that was off", () => {
  const run = runOf(minimal, "optim.lr=1", "optim.lr=2e-5", "reward.overlong.cacheLength=64", "reward=./r.mjs");
  expect(run.optim.lr).toBe(2e-5);
  expect(run.reward.overlong).toEqual({ cacheLength: 64 });
  expect(run.reward.type).toMatch(/r\.mjs$/u);
});

test("activations are recomputed always, never or as memory asks, and the memory is above 0", () => {
  const mode = (...words: string[]) => runOf(minimal, ...words).model.activationCheckpoint;
  expect([mode(), mode("model.activationCheckpoint=true"), mode("model.activationCheckpoint=false")]).toEqual([
    ...["auto", true, false],
  ]);
  expect(mode("model.activationCheckpoint=auto")).toBe("auto");
  expect(errorOf(() => mode("model.activationCheckpoint=some")).message).toBe(
    'command line: model.activationCheckpoint: expected true, false or auto, got "some"',
  );
  expect(runOf(minimal, "trainer.memoryGib=1.5").trainer.memoryGib).toBe(1.5);
  expect(errorOf(() => runOf(minimal, "trainer.memoryGib=0")).message).toBe(
    "command line: trainer.memoryGib: expected a number > 0, got 0",
  );
});

test("a word that is no override is refused", () => {
  const fail = (word: string) => errorOf(() => parseOverride(word, "/")).message;
  expect(fail("a")).toBe('command line: expected key=value, got "a"');
  expect(fail("+a=1")).toBe('command line: expected a dotted key before the =, got "+a"');
  expect(fail("a..b=1")).toContain("expected a dotted key");
  expect(fail("__proto__.x=1")).toContain("expected a dotted key");
  expect(fail("a=[1, 2")).toBe("command line: a: expected YAML after the =, got [1, 2; put quotes around plain text");
});

test("errors of an override name the command line and the key", () => {
  const fail = (word: string) => errorOf(() => runOf(minimal, word)).message;
  expect(fail("optim.lr=fast")).toBe('command line: optim.lr: expected a number >= 0, got "fast"');
  expect(fail("optim={lr: fast}")).toBe('command line: optim.lr: expected a number >= 0, got "fast"');
  expect(fail("optim.lrr=1")).toBe("command line: optim.lrr: unknown key (did you mean optim.lr?)");
  expect(fail("optim.lr.x=1")).toBe("command line: optim.lr.x: unknown key");
  expect(fail("extends=x")).toBe(
    "command line: extends: unknown key on the command line; name the recipe or file first",
  );
  expect(fail("worker.actor.optim.lr=1")).toBe(
    "command line: worker.actor.optim.lr: unknown key (the reference's name of optim.lr)",
  );
  expect(fail("worker.rollout.name=x")).toContain("unknown key (a key of the reference, not of papo)");
});
