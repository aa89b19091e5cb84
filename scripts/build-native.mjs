// Builds the addon when its sources, libtorch or the processor changed: build/Release/papo.node.
// usage: node scripts/build-native.mjs   (PAPO_LIBTORCH names a libtorch folder)
import { runSetup } from "./lib/run-setup.mjs";

await runSetup({ packages: false, native: true, typescript: false });
