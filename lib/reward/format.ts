import { stripEnd, stripStart } from "./grader/python-text.ts";

/** Drops white space around every `<`, `>` and `/`, in linear time. Source: EasyR1 reward_function/math.py. */
export function tightenTags(response: string): string {
  const parts = response.split(/([<>/])/);
  return parts
    .map((part, index) => {
      if (index % 2 === 1) return part;
      const start = index === 0 ? part : stripStart(part);
      return index === parts.length - 1 ? start : stripEnd(start);
    })
    .join("");
}

/**
 * 1 when the whole response is `<think>...</think>...\boxed{...}...`, else 0; anything may stand at the dots.
 * The first closing tag and the first box after it decide as well as any: what follows them may only grow.
 * @param response with tightened tags
 * @param thinking the chat template already wrote `<think>` (Qwen3's thinking templates): it is not asked for
 * Source: EasyR1 reward_function/math.py, format_reward.
 */
export function formatReward(response: string, thinking = false): number {
  if (!thinking && !response.startsWith("<think>")) return 0;
  const closing = response.indexOf("</think>", thinking ? 0 : "<think>".length);
  if (closing < 0) return 0;
  const box = response.indexOf("\\boxed{", closing);
  return box >= 0 && response.indexOf("}", box) >= 0 ? 1 : 0;
}
