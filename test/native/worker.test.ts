import { expect, test } from "vitest";
import { loadNative, nativeFile } from "../../lib/native/load.ts";
import { startModule } from "../support/processes.ts";
import { tinyConfig } from "../support/tiny-policy.ts";

loadNative();

const generation = `
  const { parentPort, workerData } = require("node:worker_threads");
  const native = require(workerData.file);
  const options = { dtype: "float32", trained: false, freezeVisionTower: false, checkpointActivations: false };
  const prompts = [0, 1, 2, 3].map((id) => ({ exampleId: "p" + id, ids: Int32Array.of(1, 2, 3), images: [] }));
  const spec = { temperature: 1, topP: 1, topK: 0, n: 1, maxTokens: 300, stopIds: [], forbiddenIds: [], seed: 1 };
  const progress = () => parentPort.postMessage("running");
  (async () => {
    const policy = await native.createPolicy(workerData.config, options);
    await native.initializeWeights(policy, 1);
    await native.generate(policy, prompts, { ...spec, purpose: 1, step: 1, maxConcurrent: 1 }, { progress });
  })();
`;

// The module is loaded here only once the worker, and with it the module's first environment, has gone. What is asked
// for then waits its turn behind what is left of the worker's call.
test("a worker that is terminated while it generates takes neither the process nor the native module with it", async () => {
  const workerData = { file: nativeFile(), config: tinyConfig };
  const process = startModule(`
    import { createRequire } from "node:module";
    import { once } from "node:events";
    import { Worker } from "node:worker_threads";
    const workerData = ${JSON.stringify(workerData)};
    const worker = new Worker(${JSON.stringify(generation)}, { eval: true, workerData, execArgv: [] });
    await once(worker, "message");
    await worker.terminate();
    await createRequire(workerData.file)(workerData.file).setNumThreads(1);
    console.log("survived");
  `);
  expect({ ended: await process.ended, output: process.output() }).toEqual({ ended: 0, output: "survived\n" });
});
