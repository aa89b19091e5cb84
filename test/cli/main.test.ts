import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packageRoot } from "../../lib/native/load.ts";
import { runPapo } from "../support/processes.ts";

test("--version prints the package's version", () => {
  const { version } = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as { version: string };
  expect(runPapo(["--version"])).toMatchObject({ status: 0, stdout: `${version}\n`, stderr: "" });
});

test("--help lists the commands", () => {
  const { status, stdout } = runPapo(["--help"]);
  expect(status).toBe(0);
  expect(stdout).toContain("doctor");
});

test("a wrong command line is one line on stderr and exit code 2", () => {
  const command = runPapo(["doctr"]);
  expect(command).toMatchObject({ status: 2, stdout: "" });
  expect(command.stderr).toBe("papo: unknown command 'doctr' (Did you mean doctor?)\n");
  const option = runPapo(["doctor", "--jsn"]);
  expect(option).toMatchObject({ status: 2, stderr: "papo: unknown option '--jsn' (Did you mean --json?)\n" });
});

test("no command at all prints the help and ends with 2", () => {
  const { status, stderr } = runPapo([]);
  expect(status).toBe(2);
  expect(stderr).toContain("Usage: papo");
});
