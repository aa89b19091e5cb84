import { availableParallelism } from "node:os";
import { ConfigError } from "../errors.ts";
import { loadNative } from "../native/load.ts";

/** More threads than this a core only cost memory, and some thousands end the process. */
const maxThreadsPerCore = 4;

/**
 * Sets the threads of libtorch; null or undefined: its own choice.
 * @param key names the setting in errors
 * @throws {ConfigError} for more than four a core
 */
export async function setThreads(count: number | null | undefined, key: string): Promise<void> {
  if (count === null || count === undefined) return;
  const cores = availableParallelism();
  const most = maxThreadsPerCore * cores;
  if (count > most)
    throw new ConfigError(key, `expected an integer <= ${most} (this machine's cores: ${cores}), got ${count}`);
  await loadNative().setNumThreads(count);
}
