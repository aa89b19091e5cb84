// Makes a clone ready to run: packages, libtorch, the addon, dist/. Does only what is missing or out of date.
// usage: node scripts/setup.mjs [--build]     --build: the addon and dist/ alone
// PAPO_LIBTORCH names a libtorch folder (with include/ and lib/) to use instead of a prepared copy.
import { argv, stderr, version } from "node:process";

const [major = 0, minor = 0] = version.slice(1).split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  stderr.write(`papo setup: Node 20.19 or newer is needed, this is ${version}\n`);
  process.exit(1);
}

// Imported late: an older Node could not read these modules, and would not say why.
const { runSetup } = await import("./lib/run-setup.mjs");
await runSetup({ packages: !argv.includes("--build"), native: true, typescript: true });
