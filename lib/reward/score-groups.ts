import type { Group, RewardedGroup } from "../types.ts";
import type { Scorer } from "./reward.ts";

/** Rewards every response of the groups, all in one batch. */
export async function scoreGroups(
  scorer: Scorer,
  groups: readonly Group[],
  signal?: AbortSignal,
): Promise<RewardedGroup[]> {
  const items = groups.flatMap(({ prompt: { example }, responses }) =>
    responses.map(({ text, ids }) => ({
      response: text,
      responseLength: ids.length,
      problem: example.problem,
      answer: example.answer,
      extra: example.extra,
      id: example.id,
    })),
  );
  const rewards = await scorer.score(items, signal);
  let next = 0;
  return groups.map((group) => ({ ...group, rewards: rewards.slice(next, (next += group.responses.length)) }));
}
