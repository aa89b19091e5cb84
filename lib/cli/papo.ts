#!/usr/bin/env node
// What npm links as `papo`: an older Node.js cannot read the modules of the program, and would not say why.
import { nodeVersionProblem } from "./node-version.ts";

const problem = nodeVersionProblem(process.versions.node);
if (problem === undefined) await import("./main.ts");
else {
  process.stderr.write(`papo: ${problem}\n`);
  process.exitCode = 1;
}
