// The PyTorch peer: two scripts that papo does not ship, and a Python that can run them.
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { SetupError, root } from "../lib/project.mjs";
import { capture } from "../lib/process.mjs";

const scripts = ["make_workload.py", "peer_step.py"];
const packages = "torch torchvision transformers==5.17.0 pillow numpy safetensors";

/**
 * The folder that holds the peer's scripts.
 * @param {string | undefined} option --reference
 * @returns {string}
 * @throws {SetupError} saying what is missing
 */
export function findReference(option) {
  const named = option ?? process.env.PAPO_REFERENCE;
  const dir = resolve(named ?? join(root, "..", "shared", "reference"));
  const missing = scripts.filter((name) => !existsSync(join(dir, name)));
  if (missing.length === 0) return dir;
  throw new SetupError(
    `${missing.join(" and ")}: not in ${dir}; name the folder that holds ${scripts.join(" and ")} ` +
      "with --reference DIR or PAPO_REFERENCE",
  );
}

/**
 * What the peer's torch is and how fast it multiplies.
 * @typedef {{ torch: string, torchvision: string, transformers: string, mkl: boolean, cpuCapability: string,
 *   productRate: number }} TorchDescription
 */

/**
 * A Python that imports torch and transformers.
 * @param {string | undefined} option --python
 * @param {number} threads
 * @returns {{ python: string, description: TorchDescription }}
 * @throws {SetupError} saying what to install
 */
export function findPython(option, threads) {
  const python = option ?? process.env.PAPO_PYTHON ?? "python3";
  const output = capture(python, [join(import.meta.dirname, "describe_torch.py"), String(threads)]);
  const last = output?.trim().split("\n").at(-1);
  if (last !== undefined) return { python, description: JSON.parse(last) };
  throw new SetupError(
    `${python} cannot \`import torch, torchvision, transformers\`: the peer is PyTorch with transformers. ` +
      `Name another one with --python FILE or PAPO_PYTHON, or make one: ` +
      `\`python3 -m venv peer && peer/bin/pip install ${packages}\``,
  );
}
