// Compiles lib/ into dist/ when it changed.
// usage: node scripts/build-ts.mjs
import { runSetup } from "./lib/run-setup.mjs";

await runSetup({ packages: false, native: false, typescript: true });
