import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

/** What NVIDIA's driver makes for programs: on Linux, in a container that was given a GPU, and in Windows' Linux. */
const devices = ["/dev/nvidiactl", "/dev/dxg"];

const probeTimeoutMs = 60_000;

/** Whether an NVIDIA driver is there; looked up by its device files, which costs nothing and starts nothing. */
export function hasCudaDriver(): boolean {
  return devices.some((device) => existsSync(device));
}

/**
 * Starts NVIDIA's driver in another process, which a broken one may take down.
 * @param preload the file of the module `preload`
 * @returns why no GPU can be used; undefined when one can
 */
export function cudaDriverProblem(preload: string): string | undefined {
  const code = "console.log(require(process.argv[1]).cudaDevices())";
  const options = { encoding: "utf8", timeout: probeTimeoutMs } as const;
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ["-e", code, preload], options);
  if (status === 0) return Number(stdout) > 0 ? undefined : "NVIDIA's driver offers no GPU";
  if (signal !== null) return `starting NVIDIA's driver ended its process: ${signal}`;
  return /^Error: (.*)$/m.exec(stderr)?.[1] ?? `starting NVIDIA's driver ended with code ${status ?? "unknown"}`;
}
