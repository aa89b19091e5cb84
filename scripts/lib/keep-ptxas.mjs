// Compiler launcher of the CUDA kernels: runs nvcc as it is told, and keeps what ptxas says of registers and spills
// beside the object, as <object>.ptxas, for scripts/check-kernels.mjs.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { argv, exit, stderr } from "node:process";

const [compiler = "", ...args] = argv.slice(2);
const { status, stderr: said } = spawnSync(compiler, args, { encoding: "utf8", stdio: ["inherit", "inherit", "pipe"] });
const object = args[args.indexOf("-o") + 1];
if (status === 0 && object?.endsWith(".o")) writeFileSync(`${object}.ptxas`, said);
const isResource = (/** @type {string} */ line) => /^(ptxas info|\s+\d+ bytes stack frame)/.test(line);
stderr.write(
  said
    .split("\n")
    .filter((line) => !isResource(line))
    .join("\n"),
);
exit(status ?? 1);
