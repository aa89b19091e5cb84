import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { oldestNode, oldNodeText } from "../../lib/cli/node-version.ts";
import { packageRoot } from "../../lib/native/load.ts";
import { runNode } from "../support/processes.ts";

test("the oldest Node.js is the one that package.json asks for", () => {
  const { engines } = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as {
    engines: { node: string };
  };
  expect(engines.node).toBe(`>=${oldestNode}`);
});

test("an older Node.js is told in one line, this one and newer ones are not", () => {
  expect(oldNodeText("18.20.8")).toContain("this is 18.20.8");
  expect(oldNodeText("20.18.3")).toContain("this is 20.18.3");
  for (const version of ["20.19.0", "20.20.2", "22.0.0", "24.1.0", process.versions.node])
    expect(oldNodeText(version)).toBeUndefined();
});

test("on an older Node.js the command says so and ends with 1", () => {
  const older = "Object.defineProperty(process.versions, 'node', { value: '18.20.8' });";
  const hook = `data:text/javascript,${encodeURIComponent(older)}`;
  expect(runNode(["--import", hook, join(packageRoot, "dist", "cli", "main.js"), "doctor"])).toMatchObject({
    status: 1,
    stdout: "",
    stderr: "papo: Node.js 20.19 or newer is needed, this is 18.20.8; https://nodejs.org has it\n",
  });
});

test("the file that says so can be read by Node.js 14, and imports nothing that it may not have", () => {
  const built = readFileSync(join(packageRoot, "dist", "cli", "main.js"), "utf8");
  const imports = [...built.matchAll(/^import .* from "(.*)";$/gmu)].map(([, name]) => name);
  expect(imports).toEqual(["./node-version.js"]);
  expect(readFileSync(join(packageRoot, "dist", "cli", "node-version.js"), "utf8")).not.toMatch(/^import /mu);
});
