// Numbers of response tokens under a policy: log-probs, entropies, and the KL between picture and masked picture.
import type { GroupInput, LogProbsHandle, MaskedView } from "../native/binding.ts";
import { callNative, type CallOptions } from "../native/call.ts";
import { loadNative } from "../native/load.ts";
import type { Policy } from "../policy/policy.ts";

/** Rows of a pass. */
const maxPassTokens = 16_384;

export interface ScoreTokensOptions extends CallOptions {
  /** Divides the logits; above 0. */
  readonly temperature: number;
  readonly view?: MaskedView | undefined;
}

/** [R] each, packed response after response. */
export interface ViewScores {
  /** Nats, under softmax(logits / temperature). */
  readonly logProbs: Float64Array;
  /** Nats, over the vocabulary. */
  readonly entropies: Float64Array;
}

export interface TokenScores extends ViewScores {
  /** On the masked picture; there with a view. */
  readonly masked?: ViewScores & {
    /** KL_prcp's estimate k3 with its clamps, nats: 0 to 10. */
    readonly klPrcp: Float64Array;
  };
}

/** Scores all response tokens of the groups, without gradient. */
export async function scoreTokens(
  policy: Policy,
  groups: readonly GroupInput[],
  options: ScoreTokensOptions,
): Promise<TokenScores> {
  const native = loadNative();
  const { temperature, view } = options;
  const spec = { temperature, entropy: true, maxTokens: maxPassTokens };
  const handles: Parameters<typeof native.dispose>[0][] = [];
  const keep = <Handle extends LogProbsHandle>(handle: Handle): Handle => {
    handles.push(handle);
    return handle;
  };
  return await callNative(options, async (watch) => {
    const batch = native.createBatch(groups);
    handles.push(batch);
    if (!view) return await valuesOf(keep(await native.computeLogProbs(policy.handle, batch, spec, watch)));
    const both = await native.computePlainAndMasked(policy.handle, batch, { ...spec, view, firstGroup: 0 }, watch);
    const [plain, masked] = [keep(both.plain), keep(both.masked)];
    const klPrcp = await native.klPerToken(plain, masked, "k3");
    return { ...(await valuesOf(plain)), masked: { ...(await valuesOf(masked)), klPrcp } };
  }).finally(() => {
    for (const handle of handles) native.dispose(handle);
  });
}

async function valuesOf(scores: LogProbsHandle): Promise<ViewScores> {
  const native = loadNative();
  return { logProbs: await native.logProbValues(scores), entropies: await native.entropyValues(scores) };
}
