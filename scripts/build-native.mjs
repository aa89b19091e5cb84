// Builds the addon with cmake-js into build/Release/papo.node.
// usage: node scripts/build-native.mjs   (PAPO_LIBTORCH names a libtorch folder)
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const root = dirname(import.meta.dirname);
const torchDir = process.env.PAPO_LIBTORCH ?? join(root, ".libtorch", "torch");
const cmakeJs = join(dirname(createRequire(import.meta.url).resolve("cmake-js/package.json")), "bin", "cmake-js");
const result = spawnSync(process.execPath, [cmakeJs, "compile", "--CDPAPO_TORCH_DIR=" + torchDir, "-G", "Ninja", "--parallel", "2"], {
  cwd: root,
  env: { ...process.env, npm_config_nodedir: dirname(dirname(process.execPath)) },
  stdio: "inherit",
});
process.exit(result.status ?? 1);
