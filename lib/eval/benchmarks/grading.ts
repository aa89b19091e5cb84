// Where an evaluation meets the graders.
import { rewardSchema } from "../../config/schema-rollout.ts";
import { lastBoxed } from "../../reward/grader/boxed.ts";
import { createReward, type Scorer } from "../../reward/reward.ts";
import { tightenTags } from "../../reward/format.ts";
import type { GraderName } from "../../reward/grader-names.ts";
import type { EngineResponse, Generated, GradedResponse } from "./item.ts";

export interface GradingOptions {
  /** reference: a missing box counts as the answer "None", as in PAPO-Eval. */
  readonly compat: "none" | "reference";
  readonly signal?: AbortSignal | undefined;
}

/** Graders of an evaluation, each made when it is first needed. */
export class Grading implements AsyncDisposable {
  readonly #options: GradingOptions;
  readonly #scorers = new Map<GraderName, Promise<Scorer>>();

  constructor(options: GradingOptions) {
    this.#options = options;
  }

  /** One verdict a response, in order; a response without text is wrong. */
  async grade(grader: GraderName, { example, responses }: Generated): Promise<GradedResponse[]> {
    const scorer = await this.#scorer(grader);
    const { problem, answer, extra, id } = example;
    const asked = responses.map(({ text }) => ({
      response: text ?? "",
      responseLength: 0,
      problem,
      answer,
      extra,
      id,
    }));
    const rewards = await scorer.score(asked, this.#options.signal);
    return responses.map((response, index) => ({
      ...response,
      extracted: extractedAnswer(response),
      correct: response.text !== null && (rewards[index]?.["accuracy"] ?? 0) > 0,
    }));
  }

  #scorer(grader: GraderName): Promise<Scorer> {
    const made = this.#scorers.get(grader) ?? createScorer(grader, this.#options);
    this.#scorers.set(grader, made);
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const scorer of this.#scorers.values()) await (await scorer.catch(() => undefined))?.close();
  }
}

function extractedAnswer({ text }: EngineResponse): string | null {
  return text === null ? null : (lastBoxed(tightenTags(text)) ?? null);
}

async function createScorer(grader: GraderName, { compat, signal }: GradingOptions): Promise<Scorer> {
  const settings = rewardSchema.parse({ type: "math", grader });
  // The length only matters to overlong shaping, which an evaluation has none of.
  return await createReward(settings, { compat, maxResponseLength: 1 }, signal);
}
