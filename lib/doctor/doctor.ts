import { loadNative } from "../native/load.ts";

/** Prints what papo runs on; 1 when something that it needs is wrong. */
export function runDoctor(options: { json: boolean }): Promise<number> {
  const info = loadNative().runtimeInfo();
  console.log(options.json ? JSON.stringify(info) : `libtorch ${info.torchVersion}, ${info.cpuCapability}`);
  return Promise.resolve(0);
}
