// Sampling speed against the number of responses a prompt and the number decoded together.
import { loadNative } from "../native/load.ts";
import { readModelConfig } from "../policy/model-config.ts";
import { readImageSpec } from "../processor/image-size.ts";
import { releasePrompt } from "../processor/processor.ts";
import { promptInput, purposes } from "../rollout/rollout.ts";
import { Disposal } from "../trainer/disposal.ts";
import { openForBench, type PolicyBenchOptions } from "./open-policy.ts";
import { loadWorkload } from "./workload.ts";

export interface RolloutBenchOptions extends PolicyBenchOptions {
  /** Responses a prompt, one run each. */
  readonly n: readonly number[];
  /** Responses decoded together, one run each. */
  readonly concurrent: readonly number[];
  /** Tokens of each response. */
  readonly response: number;
}

export interface RolloutTiming {
  readonly n: number;
  readonly concurrent: number;
  readonly responseTokens: number;
  /** Pictures, prompts, and the first token of each response. */
  readonly prefillS: number;
  readonly totalS: number;
  /** All tokens over all seconds. */
  readonly tokensPerS: number;
  /** The tokens after the first, over the seconds after prefill. */
  readonly decodedPerS: number;
}

/**
 * Samples every prompt of the workload for every pair of n and concurrent, and tells of each as it is done.
 * @throws {CheckpointError} for the folder, {DataError} for the workload
 */
export async function runRolloutBench(
  dir: string,
  workload: string,
  options: RolloutBenchOptions,
  onTiming: (timing: RolloutTiming) => void = () => undefined,
): Promise<RolloutTiming[]> {
  await using open = new Disposal();
  const config = await readModelConfig(dir);
  const imageSpec = await readImageSpec(dir, { trainerMinPixels: 0, trainerMaxPixels: 0 });
  const prompts = await loadWorkload(workload, config, imageSpec);
  open.defer(() => {
    prompts.forEach(releasePrompt);
  });
  const policy = open.use(await openForBench(dir, options));
  const { imageTokenId, videoTokenId, visionStartTokenId, visionEndTokenId } = config;
  const inputs = prompts.map(promptInput);
  const sampled = async (n: number, concurrent: number, maxTokens: number): Promise<[number, number]> => {
    const startMs = performance.now();
    const groups = await loadNative().generate(policy.handle, inputs, {
      ...{ temperature: 1, topP: 0.99, topK: -1, stopIds: [], n, maxTokens, maxConcurrent: concurrent },
      ...{ seed: options.seed, purpose: purposes.training, step: 0 },
      forbiddenIds: [imageTokenId, videoTokenId, visionStartTokenId, visionEndTokenId],
    });
    return [(performance.now() - startMs) / 1000, groups.flat().reduce((sum, { ids }) => sum + ids.length, 0)];
  };
  const timings: RolloutTiming[] = [];
  await sampled(1, 1, 1); // libraries set themselves up
  for (const n of options.n) {
    for (const concurrent of options.concurrent) {
      const [prefillS, numResponses] = await sampled(n, concurrent, 1);
      const [totalS, responseTokens] = await sampled(n, concurrent, options.response);
      const decodedPerS = (responseTokens - numResponses) / Math.max(1e-9, totalS - prefillS);
      const timing = {
        n,
        concurrent,
        responseTokens,
        prefillS,
        totalS,
        tokensPerS: responseTokens / totalS,
        decodedPerS,
      };
      timings.push(timing);
      onTiming(timing);
    }
  }
  return timings;
}
