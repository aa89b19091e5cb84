import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { packageRoot } from "../../lib/native/load.ts";

const moduleUrl = (name: string) => JSON.stringify(pathToFileURL(join(packageRoot, "dist", "cli", name)).href);
const program = `
  import { setTimeout as sleep } from "node:timers/promises";
  import { handleStdoutError } from ${moduleUrl("broken-output.js")};
  import { withInterrupt } from ${moduleUrl("interrupt.js")};
  process.stdout.on("error", handleStdoutError);
  await withInterrupt(async () => {
    for (let step = 1; step <= 7; step += 1) {
      console.log("step " + step);
      await sleep(20);
    }
    process.stderr.write("whole\\n");
  });
  console.log("run folder");
  await sleep(20);
  process.stderr.write("after\\n");`;

/** Runs the program with its stdout led to `target`, as a shell has it. */
function run(target: string) {
  const shell = `set -o pipefail; "$0" --input-type=module -e "$1" ${target}`;
  return spawnSync("bash", ["-c", shell, process.execPath, program], { encoding: "utf8" });
}

test("a reader that goes away does not stop work under way, and is named once", () => {
  const { status, stdout, stderr } = run("| head -1");
  expect(stdout).toBe("step 1\n");
  expect(stderr).toBe("papo: stdout cannot be written any more: write EPIPE\nwhole\nafter\n");
  expect(status).toBe(0);
});

test("a full disk behind stdout does not stop work under way", ({ skip }) => {
  skip(!existsSync("/dev/full"), "no /dev/full here");
  const { status, stderr } = run("> /dev/full");
  expect(stderr).toMatch(/^papo: stdout cannot be written any more: ENOSPC[^\n]*\nwhole\nafter\n$/u);
  expect(status).toBe(0);
});

test("a short command whose reader goes away ends silently", () => {
  const main = join(packageRoot, "dist", "cli", "main.js");
  const shell = `set -o pipefail; "$0" "$1" config schema | true`;
  expect(spawnSync("bash", ["-c", shell, process.execPath, main], { encoding: "utf8" })).toMatchObject({
    status: 0,
    stderr: "",
  });
});
