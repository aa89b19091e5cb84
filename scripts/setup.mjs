// Makes a clone ready to run: packages, libtorch, the addon, dist/. Does only what is missing or out of date.
// usage: node scripts/setup.mjs [--build [--cuda]]     --build: the addon and dist/ alone; --cuda: the addon for NVIDIA
// GPUs, in a folder of its own
// PAPO_LIBTORCH names a libtorch folder (with include/ and lib/) to use instead of a prepared copy.
import { argv, stderr, version } from "node:process";

const [major = 0, minor = 0] = version.slice(1).split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  stderr.write(`papo: Node.js 20.19 or newer is needed, this is ${version.slice(1)}; https://nodejs.org has it\n`);
  process.exit(1);
}

// Imported late: an older Node could not read these modules, and would not say why.
const { runSetup } = await import("./lib/run-setup.mjs");
if (argv.includes("--cuda")) {
  const { runCudaBuild } = await import("./lib/build-cuda.mjs");
  await runCudaBuild();
} else {
  await runSetup({ packages: !argv.includes("--build"), native: true, typescript: true });
}
