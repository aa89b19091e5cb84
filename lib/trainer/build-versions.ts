import { loadNative } from "../native/load.ts";
import { papoVersion } from "../version.ts";

/** Versions that a run's record and a report of a bug need. */
export function buildVersions(): Record<string, string> {
  const { torchVersion, cpuCapability, compiler, vectorUnit } = loadNative().runtimeInfo();
  return { papo: papoVersion(), node: process.version, torch: torchVersion, cpu: cpuCapability, compiler, vectorUnit };
}
