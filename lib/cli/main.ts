#!/usr/bin/env node
// The command line's entry: says so where Node.js is too old, before anything that such a one cannot load.
import { oldNodeText } from "./node-version.ts";

const problem = oldNodeText(process.versions.node);
if (problem === undefined) {
  const { runCommandLine } = await import("./run-command-line.ts");
  await runCommandLine(process.argv);
} else {
  process.stderr.write(problem);
  process.exitCode = 1;
}
