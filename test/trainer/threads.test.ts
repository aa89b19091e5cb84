import { availableParallelism } from "node:os";
import { expect, test, vi } from "vitest";
import { ConfigError } from "../../lib/errors.ts";
import { loadNative } from "../../lib/native/load.ts";
import { setThreads } from "../../lib/trainer/threads.ts";

test("threads are set up to four a core, more are refused and none leave libtorch's choice", async () => {
  const set = vi.spyOn(loadNative(), "setNumThreads").mockResolvedValue(undefined);
  const most = 4 * availableParallelism();
  await setThreads(most, "--threads");
  await setThreads(null, "--threads");
  expect(set.mock.calls).toEqual([[most]]);
  const refused = setThreads(most + 1, "trainer.threads");
  await expect(refused).rejects.toBeInstanceOf(ConfigError);
  await expect(refused).rejects.toThrow(
    /^trainer\.threads: expected an integer <= \d+ \(this machine's cores: \d+\), got \d+$/u,
  );
  expect(set).toHaveBeenCalledTimes(1);
  set.mockRestore();
});
