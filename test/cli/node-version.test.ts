import { join } from "node:path";
import { expect, test } from "vitest";
import { nodeVersionProblem } from "../../lib/cli/node-version.ts";
import { packageRoot } from "../../lib/native/load.ts";
import { runNode } from "../support/processes.ts";

test("papo asks for Node.js 20.19", () => {
  expect(nodeVersionProblem("20.19.0")).toBeUndefined();
  expect(nodeVersionProblem("22.1.0")).toBeUndefined();
  expect(nodeVersionProblem("20.18.3")).toContain("papo needs 20.19 or newer");
  expect(nodeVersionProblem("18.20.0")).toContain("Node.js is 18.20.0");
});

test("on an older Node.js the command says so in one line and ends with 1", () => {
  const older = "Object.defineProperty(process.versions, 'node', { value: '18.20.4' });";
  const hook = `data:text/javascript,${encodeURIComponent(older)}`;
  expect(runNode(["--import", hook, join(packageRoot, "dist", "cli", "papo.js"), "doctor"])).toEqual(
    expect.objectContaining({
      status: 1,
      stdout: "",
      stderr: "papo: Node.js is 18.20.4, papo needs 20.19 or newer\n",
    }),
  );
});
