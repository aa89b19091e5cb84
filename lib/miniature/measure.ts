// Measures a policy in the miniature world: how often it is right, sampled and greedy, how sure it is of what it
// samples, and what goes wrong when it is wrong.
import { evaluate, type EvaluateParts } from "../eval/evaluate.ts";
import { callNative } from "../native/call.ts";
import { loadNative } from "../native/load.ts";
import type { Policy } from "../policy/policy.ts";
import { groupInput } from "../rollout/rollout.ts";
import type { RewardedGroup } from "../types.ts";
import { classifyResponse, type ResponseClass, responseClasses } from "./classify.ts";
import { questionOf } from "./dataset.ts";

export interface Measurement {
  /** Share of sampled responses that are right: avg@n at temperature 1. */
  readonly sampledAccuracy: number;
  /** Share of questions whose greedy response is right. */
  readonly greedyAccuracy: number;
  /** Mean -log prob of sampled tokens, nats. */
  readonly entropy: number;
  /** Share of the sampled responses in each class; they add up to 1. */
  readonly classShares: Readonly<Record<ResponseClass, number>>;
  /** Perception errors as a share of all wrong sampled responses; 0 when none is wrong. */
  readonly perceptionErrorShare: number;
}

export interface MeasureOptions {
  /** Sampled responses a question. */
  readonly n: number;
  readonly signal?: AbortSignal | undefined;
  /** Responses finished, of all. */
  readonly progress?: (done: number, total: number) => void;
}

/** @throws {DataError} when a row is not one of the miniature world */
export async function measure(
  parts: EvaluateParts & { readonly policy: Policy },
  { n, signal, progress }: MeasureOptions,
): Promise<Measurement> {
  const numRows = parts.dataset.length;
  const total = numRows * (n + 1);
  const common = { topP: 1, topK: -1 } as const;
  const shared = { purpose: "validation", step: 0, batchSize: 128, signal } as const;
  const counts = new Map<ResponseClass, number>(responseClasses.map((name) => [name, 0]));
  const nll = { sum: 0, numTokens: 0 };
  const sampled = await evaluate(parts, {
    ...shared,
    sampling: { ...common, n, temperature: 1 },
    progress: (done) => progress?.(done, total),
    onGroups: async (groups) => {
      for (const { prompt, responses } of groups) {
        const question = questionOf(prompt.example);
        for (const { text } of responses) {
          const name = classifyResponse(question, text);
          counts.set(name, (counts.get(name) ?? 0) + 1);
        }
      }
      await addNll(nll, parts.policy, groups);
    },
  });
  const greedy = await evaluate(parts, {
    ...shared,
    sampling: { ...common, n: 1, temperature: 0 },
    progress: (done) => progress?.(numRows * n + done, total),
  });
  const numSampled = sampled.numExamples * n;
  const share = (name: ResponseClass) => (counts.get(name) ?? 0) / numSampled;
  const wrong = 1 - share("correct");
  return {
    sampledAccuracy: sampled.average["accuracy"] ?? 0,
    greedyAccuracy: greedy.average["accuracy"] ?? 0,
    entropy: nll.sum / nll.numTokens,
    classShares: Object.fromEntries(responseClasses.map((name) => [name, share(name)])) as Measurement["classShares"],
    perceptionErrorShare: wrong > 0 ? share("perception") / wrong : 0,
  };
}

async function addNll(
  nll: { sum: number; numTokens: number },
  policy: Policy,
  groups: readonly RewardedGroup[],
): Promise<void> {
  const native = loadNative();
  const batch = native.createBatch(groups.map(groupInput));
  try {
    const options = { temperature: 1, entropy: false, maxTokens: 16_384 };
    const logProbs = await callNative({}, (watch) => native.computeLogProbs(policy.handle, batch, options, watch));
    try {
      for (const value of await callNative({}, () => native.logProbValues(logProbs))) {
        nll.sum -= value;
        nll.numTokens += 1;
      }
    } finally {
      native.dispose(logProbs);
    }
  } finally {
    native.dispose(batch);
  }
}
