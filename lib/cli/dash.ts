import type { Command } from "@commander-js/extra-typings";
import type { Dashboard } from "../dash/serve.ts";
import { ConfigError } from "../errors.ts";
import { integerFrom } from "./option-values.ts";

/** `papo dash RUN_DIR...`: runs in the browser, live. */
export function registerDash(program: Command): void {
  program
    .command("dash")
    .description("show runs and evaluations in the browser, live")
    .argument("<folders...>", "run folders, folders of runs, --out folders of papo eval")
    .option("--port <number>", "port to listen on; 0: any free one", integerFrom(0, 65_535), 0)
    .option("--host <address>", "address to listen on; others than this machine need --token", "127.0.0.1")
    .option("--token [text]", "ask for a token; made up when none is given")
    .action(async (folders, { port, host, token }) => {
      const { minTokenLength, newToken } = await import("../dash/access.ts");
      const { openDashboard } = await import("../dash/serve.ts");
      if (typeof token === "string" && token.length < minTokenLength)
        throw new ConfigError("--token", `expected at least ${minTokenLength} characters`);
      const warn = (line: string) => void process.stderr.write(`papo: ${line}\n`);
      const secret = token === true ? newToken() : token;
      await serve(openDashboard({ folders, port, host, token: secret, warn }));
    });
}

async function serve(opening: Promise<Dashboard>): Promise<void> {
  await using dashboard = await opening;
  const { url, numRuns } = dashboard;
  process.stdout.write(`${numRuns} ${numRuns === 1 ? "run" : "runs"} at ${url}\nCtrl-C ends the dashboard\n`);
  await interrupted();
}

async function interrupted(): Promise<void> {
  await new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => { resolve(); }); // prettier-ignore
  });
}
