import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { packageRoot } from "../../lib/native/load.ts";
import { startModule } from "../support/processes.ts";

const interruptModule = pathToFileURL(join(packageRoot, "dist/cli/interrupt.js")).href;
const start = (body: string) =>
  startModule(`import { onInterrupt } from ${JSON.stringify(interruptModule)};
    const keepAlive = setInterval(() => {}, 1000);
    ${body}`);

test("the first Ctrl-C aborts the signal and says so; the run ends by itself", async () => {
  const program = start(`
    const { signal } = onInterrupt();
    signal.addEventListener("abort", () => { console.log(signal.reason.name); clearInterval(keepAlive); });
    console.log("ready");`);
  await program.printed("ready");
  program.child.kill("SIGINT");
  expect(await program.ended).toBe(0);
  expect(program.output()).toContain("press Ctrl-C again");
  expect(program.output()).toContain("AbortError");
});

test("a terminal that goes away stops the run as Ctrl-C does", async () => {
  const program = start(`
    const { signal } = onInterrupt();
    signal.addEventListener("abort", () => { console.log(signal.reason.name); clearInterval(keepAlive); });
    console.log("ready");`);
  await program.printed("ready");
  program.child.kill("SIGHUP");
  expect(await program.ended).toBe(0);
  expect(program.output()).toContain("AbortError");
});

test("the second Ctrl-C exits at once with 130, whether SIGINT or SIGTERM", async () => {
  const program = start(`onInterrupt(); console.log("ready");`);
  await program.printed("ready");
  program.child.kill("SIGTERM");
  await program.printed("press Ctrl-C again");
  program.child.kill("SIGINT");
  expect(await program.ended).toBe(130);
});

test("after dispose Ctrl-C ends the process as ever", async () => {
  const program = start(`onInterrupt()[Symbol.dispose](); console.log("ready");`);
  await program.printed("ready");
  program.child.kill("SIGINT");
  expect(await program.ended).toBe("SIGINT");
});
