// A study that takes seconds: the shipped model, three steps of four prompts, nine rows a benchmark.
import { type MiniatureStudy, miniatureStudy, miniatureStudyOf } from "../../lib/reproduce/miniature-study.ts";
import type { Study } from "../../lib/reproduce/study.ts";

export function tinyStudy(changes: Partial<MiniatureStudy> = {}): Study {
  return miniatureStudyOf({
    ...miniatureStudy,
    steps: 3,
    settings: [
      ...["data.maxPromptLength=96", "data.rolloutBatchSize=4", "optim.globalBatchSize=4", "rollout.n=3"],
      "trainer.saveFreq=1",
    ],
    training: { count: 24, hintShare: 0.5 },
    evaluation: { ...miniatureStudy.evaluation, rows: 9, n: 2 },
    ...changes,
  });
}
