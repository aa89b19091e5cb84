import { existsSync } from "node:fs";

/** What NVIDIA's driver makes for programs: on Linux, in a container that was given a GPU, and in Windows' Linux. */
const devices = ["/dev/nvidiactl", "/dev/dxg"];

/** Whether an NVIDIA driver is there; looked up by its device files, which costs nothing and starts nothing. */
export function hasCudaDriver(): boolean {
  return devices.some((device) => existsSync(device));
}
