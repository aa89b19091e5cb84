// One row of a data set: n responses, scored on the plain and on the masked picture, with the attention to the picture.
import { resolve } from "node:path";
import { pathOrId } from "../../config/paths.ts";
import { rewardSchema } from "../../config/schema-rollout.ts";
import { type DatasetOptions, openDataset } from "../../data/dataset.ts";
import { ConfigError, DataError, NativeError } from "../../errors.ts";
import { openModel, openProcessor, type SamplingSettings } from "../../eval/open-model.ts";
import { scoreTokens, type TokenScores } from "../../eval/score-tokens.ts";
import type { MaskedView } from "../../native/binding.ts";
import { type Processor, releasePrompt } from "../../processor/processor.ts";
import type { GraderName } from "../../reward/grader-names.ts";
import { createReward } from "../../reward/reward.ts";
import { scoreGroups } from "../../reward/score-groups.ts";
import { groupInput } from "../../rollout/rollout.ts";
import { Progress } from "../../trainer/progress.ts";
import type { Example, Group, Prompt, RewardedGroup } from "../../types.ts";
import { imageAttention, normalizedEntropy } from "../attention/image-attention.ts";
import { embedPictures } from "./embed-pictures.ts";
import type { KlMap, MapPicture, MapResponse, MapToken } from "./kl-map.ts";
import { tokenTexts } from "./token-texts.ts";

export interface KlMapOptions extends SamplingSettings {
  /** A checkpoint folder or a hub id. */
  readonly model: string;
  /** A data set as openDataset takes it. */
  readonly data: string;
  readonly dataset?: DatasetOptions;
  /** 1-based. */
  readonly row: number;
  /** The masked picture; its random numbers start from the sampling's seed, as in a run. */
  readonly mask: Omit<MaskedView, "seed" | "perResponse">;
  /** `math` (default) or a module's path. */
  readonly reward?: string | undefined;
  /** Of the math reward; default mathruler. */
  readonly grader?: GraderName | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly progress?: Progress | undefined;
}

/**
 * Log-probs are of logits over the sampling's temperature (1 for a greedy one), as the objective takes them.
 * @throws {ConfigError} for a row that there is not or a mask that does not fit the model, {DataError} for a row without
 *   pictures or an unusable one
 */
export async function measureKlMap(options: KlMapOptions): Promise<KlMap> {
  const { signal, n = 4, temperature = 1, progress = new Progress() } = options;
  const opened = await openProcessor(options.model, options, signal);
  const { processor } = opened;
  const example = await readRow(options);
  const view: MaskedView = { ...options.mask, seed: options.seed ?? 0, perResponse: false };
  const prompt = await processor.prepare(example);
  try {
    const pictures = await maskedPictures(prompt, view, processor);
    using model = await openModel(opened, options, signal);
    using phase = progress.phase("sampling", n, "responses");
    const [group] = await model.rollout.generate([prompt], {
      sampling: { n, temperature, topP: options.topP ?? 1, topK: options.topK ?? -1 },
      ...{ purpose: "generate", step: 0, signal },
      progress: (done) => {
        phase.update(done);
      },
    });
    if (group === undefined) throw new RangeError("[measureKlMap] one prompt gives one group");
    const scored = mapScores(await scoreTokens(model.policy, [groupInput(group)], { view, temperature: temperature || 1, signal })); // prettier-ignore
    const [attention = []] = await imageAttention(model.policy, [group], { signal });
    const rewarded = await rewardsOf(group, options);
    const responses = responsesOf(rewarded, processor, { scored, attention, pictures });
    return { ...factsOf(prompt, processor), ...wordsOf(options, view), pictures, responses };
  } finally {
    releasePrompt(prompt);
  }
}

async function readRow({ data, dataset: columns, row, signal }: KlMapOptions): Promise<Example> {
  const dataset = await openDataset(data, { ...columns, hub: signal ? { signal } : {} });
  if (row > dataset.length) throw new ConfigError("--row", `expected 1 to ${dataset.length}, got ${row}`);
  const example = await dataset.read(row - 1);
  if (example.images.length > 0) return example;
  throw new DataError(example.file, example.row, "expected a picture, got none");
}

async function maskedPictures(prompt: Prompt, view: MaskedView, processor: Processor): Promise<MapPicture[]> {
  try {
    return await embedPictures(prompt, view, processor.imageSpec.mergeSize);
  } catch (error) {
    if (!(error instanceof NativeError) || error.code !== "E_VALUE") throw error;
    throw new ConfigError("--patch-px", error.message);
  }
}

type Scores = readonly Omit<MapToken, "text">[];

/** Of all response tokens, response after response. */
function mapScores({ logProbs, masked }: TokenScores): Scores {
  return Array.from(logProbs, (logProb, index) => ({
    logProb,
    maskedLogProb: masked?.logProbs[index] ?? NaN,
    kl: masked?.klPrcp[index] ?? NaN,
  }));
}

async function rewardsOf(group: Group, options: KlMapOptions): Promise<RewardedGroup> {
  const { reward = "math", grader = "mathruler", maxTokens = 512, signal } = options;
  const settings = rewardSchema.parse(reward === "math" ? { type: "math", grader } : { type: resolve(reward) });
  await using scorer = await createReward(settings, { compat: "none", maxResponseLength: maxTokens }, signal);
  const [rewarded] = await scoreGroups(scorer, [group], signal);
  return rewarded ?? { ...group, rewards: [] };
}

function responsesOf(
  { responses, rewards }: RewardedGroup,
  processor: Processor,
  measured: {
    readonly scored: Scores;
    readonly attention: readonly Float64Array[];
    readonly pictures: readonly MapPicture[];
  },
): MapResponse[] {
  let next = 0;
  return responses.map(({ ids, finishReason }, index) => {
    const scores = measured.scored.slice(next, (next += ids.length));
    const tokens = tokenTexts(ids, processor.tokenizer).map((text, at) => ({ text, ...(scores[at] ?? unscored) }));
    const weights = measured.attention[index] ?? new Float64Array();
    return {
      ...{ tokens, finishReason, reward: rewards[index] ?? { overall: 0 } },
      meanKl: scores.reduce((sum, { kl }) => sum + kl, 0) / scores.length,
      attention: byPicture(weights, measured.pictures),
      attentionEntropy: weights.length < 2 ? null : normalizedEntropy(weights),
    };
  });
}

const unscored = { logProb: NaN, maskedLogProb: NaN, kl: NaN };

function byPicture(weights: Float64Array, pictures: readonly MapPicture[]): number[][] {
  let next = 0;
  return pictures.map(({ rows, columns }) => [...weights.slice(next, (next += rows * columns))]);
}

function factsOf(prompt: Prompt, processor: Processor) {
  const { id, file, row, problem, answer } = prompt.example;
  return { id, file, row, question: problem, prompt: processor.promptText(prompt), answer };
}

function wordsOf(options: KlMapOptions, { mode, patchPx, ratio, exact, fill, seed }: MaskedView) {
  const { model, temperature = 1, topP = 1, topK = -1, maxTokens = 512 } = options;
  const cells = mode === "raw" ? "of the decoded picture" : "of the model's patches";
  return {
    model: pathOrId(model, process.cwd()),
    settings: {
      mask: `${exact ? "exactly " : ""}${ratio} of ${patchPx} px cells ${cells}, ${fill}`,
      sampling: `temperature ${temperature}, top-p ${topP}, top-k ${topK === -1 ? "all" : topK}, at most ${maxTokens} tokens`,
      seed: String(seed),
    },
  };
}
