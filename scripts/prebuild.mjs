// Builds the binaries that a release ships: prebuilds/linux-x64/, one module for each level of processor; with --cuda
// npm/linux-x64-cuda/.
// usage: node scripts/prebuild.mjs [--cuda] [--here] [--out DIR]
//   --here  the module that is built already, for this processor alone (tests); --out  where to put it
import { join } from "node:path";
import { parseArgs } from "node:util";
import { cudaPackage, prebuild, prebuildCuda, prebuildHere, prebuildsDir } from "./lib/prebuild.mjs";
import { withLock } from "./lib/lock.mjs";
import { setupDir, SetupError } from "./lib/project.mjs";

const { values } = parseArgs({
  options: { cuda: { type: "boolean" }, here: { type: "boolean" }, out: { type: "string" } },
});
const out = values.out ?? (values.cuda ? cudaPackage : prebuildsDir);
const action = values.cuda ? prebuildCuda : values.here ? prebuildHere : prebuild;
try {
  // A lock of its own: it takes long, and shares nothing with set-up but what is done already.
  await withLock(() => action(out), join(setupDir, "prebuild-lock"));
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`\npapo prebuild: ${error.message}\n`);
  process.exitCode = 1;
}
