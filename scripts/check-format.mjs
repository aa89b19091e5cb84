// Checks the C++ files against .clang-format with the clang-format of the dev dependencies.
// usage: node scripts/check-format.mjs [--fix]
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { join, relative } from "node:path";
import { listFiles, root } from "./lib/project.mjs";

const files = listFiles([join(root, "native")]).filter((file) => /\.(h|cc|cu|cuh)$/.test(file));
const clangFormat = createRequire(import.meta.url).resolve("clang-format/index.js");
const mode = process.argv.includes("--fix") ? ["-i"] : ["--dry-run", "--Werror"];
const names = files.map((file) => relative(root, file));
const result = spawnSync(process.execPath, [clangFormat, ...mode, ...names], { cwd: root, stdio: "inherit" });
if (result.status !== 0) {
  process.stderr.write("some C++ files differ from .clang-format: `npm run format` repairs them\n");
  process.exit(1);
}
