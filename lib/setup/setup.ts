// Preparing libtorch for a prebuilt module. How it is fetched is scripts/lib's affair, which a clone's set-up shares.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { NativeModuleError } from "../errors.ts";
import { findLibtorch, libtorchCache } from "../native/libtorch.ts";
import { cudaPackage, isClone, packageRoot, prebuiltFolder } from "../native/load.ts";
import { readManifest } from "../native/prebuilt.ts";
import { probeNative } from "../doctor/native-probe.ts";

interface InstalledScripts {
  readonly prepareInstalled: (folder: string, cuda: boolean) => Promise<string | undefined>;
}

/**
 * Prepares the libtorch that the prebuilt module was built with, unless one is there, and loads the module once.
 * @throws {NativeModuleError} when it cannot be prepared or the module does not load
 */
export async function setUp({ cuda }: { cuda: boolean }): Promise<void> {
  const { libtorch: wanted } = readManifest(folderFor(cuda));
  const found = findLibtorch(wanted, packageRoot);
  if ("dir" in found) {
    console.log(`papo: libtorch ${found.version} is in ${found.dir} (${found.how})`);
  } else {
    const script = pathToFileURL(join(packageRoot, "scripts", "lib", "installed.mjs")).href;
    const { prepareInstalled } = (await import(script)) as InstalledScripts;
    const problem = await prepareInstalled(libtorchCache(wanted), cuda);
    if (problem !== undefined) throw new NativeModuleError(`libtorch could not be prepared: ${problem}`, [], []);
  }
  const native = await probeNative();
  if ("problem" in native) throw new NativeModuleError(native.problem, [], native.solutions);
  console.log(`papo: ready, with ${native.file}`);
  if (cuda && native.info.cuda === undefined) {
    throw new NativeModuleError("the module for NVIDIA GPUs is not the one in use.", native.passedOver, [
      "run `papo doctor` for what this machine has",
    ]);
  }
}

function folderFor(cuda: boolean): string {
  const found = cuda ? cudaPackage(packageRoot) : prebuiltFolder(packageRoot);
  if ("folder" in found) return found.folder;
  const solution = isClone(packageRoot)
    ? `in a clone run \`npm run ${cuda ? "build -- --cuda" : "setup"}\`: it builds the module`
    : cuda
      ? "run `npm install papo-linux-x64-cuda` (Linux on x86-64 with glibc), then this again"
      : "prebuilt modules are for Linux on x86-64; elsewhere build papo in a clone, by `npm run setup`";
  throw new NativeModuleError("there is no prebuilt module to set up.", [found.problem], [solution]);
}
