import { CommanderError } from "@commander-js/extra-typings";
import { expect, test } from "vitest";
import { describeFailure } from "../../lib/cli/report-error.ts";
import {
  CollapseError,
  ConfigError,
  NativeError,
  NonFiniteError,
  ResultsError,
  RewardError,
  ServerError,
} from "../../lib/errors.ts";

test("a user's error is one line and exit code 1", () => {
  for (const error of [
    new ConfigError("rollout.n", "expected an integer >= 2, got 1"),
    new RewardError("./reward.mjs: threw"),
    new ServerError("http://127.0.0.1/v1", 500, "status 500: overloaded"),
    new NonFiniteError("loss", 3, "NaN"),
    new ResultsError("missing", "run-1 has no benchmark b, run-2 has it"),
    new NativeError("E_ABORTED", "generate", "[generate] interrupted"),
    new NativeError("E_OOM", "generate", "[generate] out of memory"),
    new DOMException("interrupted", "AbortError"),
    new RangeError("WebAssembly.Instance(): Out of memory: Cannot allocate Wasm memory for new instance"),
    new RangeError("Array buffer allocation failed"),
    Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" }),
    Object.assign(new Error("ENOENT: no such file or directory, mkdir '/x/y'"), { code: "ENOENT", syscall: "mkdir" }),
  ]) {
    expect(describeFailure(error)).toEqual({ text: `papo: ${error.message}\n`, exitCode: 1 });
  }
});

test("a run that the collapse guard stops is one line and an exit code of its own", () => {
  const error = new CollapseError(37, ["kl_prcp", "accuracy"]);
  expect(describeFailure(error)).toEqual({ text: `papo: ${error.message}\n`, exitCode: 3 });
  expect(error.message).toContain("step 37: the policy collapses (kl_prcp, accuracy; see alarms.jsonl)");
});

test("everything else is a bug with its stack and exit code 70", () => {
  for (const error of [
    new TypeError("x is not a function"),
    new RangeError("Invalid array length"),
    new NativeError("E_SHAPE", "op", "[op] shapes differ"),
  ]) {
    const { text, exitCode } = describeFailure(error);
    expect(exitCode).toBe(70);
    expect(text).toContain(error.message);
    expect(text).toContain("report-error.test.ts:");
    expect(text).toContain("this is a bug in papo");
  }
  expect(describeFailure("a thrown string").exitCode).toBe(70);
});

test("a wrong command line ends with 2, help and version with 0, both without another line", () => {
  expect(describeFailure(new CommanderError(1, "commander.unknownOption", "x"))).toEqual({ text: "", exitCode: 2 });
  expect(describeFailure(new CommanderError(0, "commander.version", "0.1.0"))).toEqual({ text: "", exitCode: 0 });
});
