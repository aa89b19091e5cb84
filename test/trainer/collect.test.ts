// A step's rollout batch with dynamic sampling: which groups are kept, what is counted, what is freed.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { loadRunConfig } from "../../lib/config/load.ts";
import type { RunConfig } from "../../lib/config/schema.ts";
import { openDataset } from "../../lib/data/dataset.ts";
import { ExampleStream } from "../../lib/data/example-stream.ts";
import { RewardError } from "../../lib/errors.ts";
import { loadNative } from "../../lib/native/load.ts";
import { Policy } from "../../lib/policy/policy.ts";
import { Processor, releasePrompt } from "../../lib/processor/processor.ts";
import { createReward } from "../../lib/reward/reward.ts";
import { Rollout } from "../../lib/rollout/rollout.ts";
import { Collector } from "../../lib/trainer/collect.ts";
import { Progress } from "../../lib/trainer/progress.ts";
import { PhaseTimer } from "../../lib/trainer/step-metrics.ts";
import type { Prompt } from "../../lib/types.ts";
import { freshPath, jsonLines, makeWorld, removeWorld, trainWords, type World } from "../e2e/world.ts";

let world: World;
let policy: Policy;
beforeAll(async () => {
  world = await makeWorld();
  // Each response has its row's own score; its place among the scored ones shows where a reward went.
  writeFileSync(
    world.reward,
    `export function computeReward(items) {
       if (items.some(({ extra }) => extra.score < 0)) throw new Error("a score below 0");
       return items.map(({ extra }, index) => ({ overall: index, accuracy: extra.score }));
     }`,
  );
  policy = await Policy.open(world.model);
});
afterAll(() => {
  policy[Symbol.dispose]();
  removeWorld(world);
});

/** A stream that remembers the prompts it gave out. */
class RecordingStream extends ExampleStream {
  readonly prompts: Prompt[] = [];
  override async next(count: number, signal?: AbortSignal): Promise<Prompt[]> {
    const prompts = await super.next(count, signal);
    this.prompts.push(...prompts);
    return prompts;
  }
}

const filtered = ["algorithm.filter.enabled=true", "algorithm.filter.key=accuracy", "data.miniRolloutBatchSize=2"];

function settings(...more: string[]): RunConfig {
  const sizes = ["data.rolloutBatchSize=3", "optim.globalBatchSize=3", "data.maxResponseLength=4", "rollout.n=2"];
  const words = trainWords(world, "miniature-dapo", "", "algorithm.klRef.mode=off", ...sizes, ...more);
  return loadRunConfig(words.slice(1, -2));
}

/** Collects one batch from rows, in order, whose responses all have the given accuracies. */
async function opened(accuracies: readonly number[], config: RunConfig) {
  const file = freshPath(world, "rows.jsonl");
  const rows = jsonLines(world.data);
  writeFileSync(
    file,
    accuracies.map((score, index) => `${JSON.stringify({ ...rows[index], id: `row ${index}`, score })}\n`).join(""),
  );
  const processor = await Processor.load(world.model, config.data);
  const say = () => undefined;
  const stream = new RecordingStream(await openDataset(file, { imageDir: join(world.dir, "data") }), processor, {
    seed: 1,
    shuffle: false,
    say,
  });
  const surroundings = { compat: config.compat, maxResponseLength: config.data.maxResponseLength };
  const scorer = await createReward(config.reward, surroundings);
  onTestFinished(() => scorer.close());
  const { maxResponseLength } = config.data;
  const rollout = new Rollout(policy, processor, { seed: 1, maxResponseLength, maxConcurrentResponses: 8 });
  const collector = new Collector({ config, stream, rollout, scorer, progress: new Progress() });
  onTestFinished(() => {
    heldPrompts(stream.prompts).forEach(releasePrompt);
  });
  return { stream, collect: () => collector.collect(1, new PhaseTimer(), undefined) };
}

/** Those whose pictures have not been freed. */
function heldPrompts(prompts: readonly Prompt[]): Prompt[] {
  return prompts.filter(({ images }) => {
    expect(images).toHaveLength(1);
    return images.every((image) => {
      try {
        return loadNative().imageInfo(image).height > 0;
      } catch (error) {
        expect(error).toMatchObject({ code: "E_DISPOSED" });
        return false;
      }
    });
  });
}

const idsOf = (prompts: readonly Prompt[]) => prompts.map(({ example }) => example.id);

test("rounds without informative groups are dropped, others kept as far as they are informative", async () => {
  const { stream, collect } = await opened([0, 0, 0.5, 1, 1, 0, 0.7, 0.3], settings(...filtered));
  const { groups, rewards, numRounds, numGenerated } = await collect();
  expect(idsOf(groups.map(({ prompt }) => prompt))).toEqual(["row 2", "row 6", "row 7"]);
  expect(groups.map((group) => group.rewards.map(({ accuracy }) => accuracy))).toEqual([
    [0.5, 0.5],
    [0.7, 0.7],
    [0.3, 0.3],
  ]);
  expect([numRounds, numGenerated]).toEqual([4, 8]);
  expect(rewards.map(({ accuracy }) => accuracy)).toEqual(
    [0, 0, 0.5, 1, 1, 0, 0.7, 0.3].flatMap((score) => [score, score]),
  );
  expect(heldPrompts(stream.prompts)).toEqual(groups.map(({ prompt }) => prompt));
});

test("compat: reference keeps a round without any informative group whole", async () => {
  const config = settings(...filtered, "compat=reference", "optim.microBatchSize=2");
  const { stream, collect } = await opened([0, 0, 0.5, 1, 1, 0], config);
  const { groups, numRounds, numGenerated } = await collect();
  expect(idsOf(groups.map(({ prompt }) => prompt))).toEqual(["row 0", "row 1", "row 2"]);
  expect([numRounds, numGenerated]).toEqual([2, 4]);
  expect(heldPrompts(stream.prompts)).toHaveLength(3);
});

test("surplus groups are cut off at the end and their prompts freed; their rewards count", async () => {
  const { stream, collect } = await opened(
    [0.1, 0.2, 0.3, 0.4, 0.5],
    settings(...filtered, "data.miniRolloutBatchSize=5"),
  );
  const { groups, rewards, numRounds, numGenerated } = await collect();
  expect(idsOf(groups.map(({ prompt }) => prompt))).toEqual(["row 0", "row 1", "row 2"]);
  expect([numRounds, numGenerated, rewards.length]).toEqual([1, 5, 10]);
  expect(groups.map((group) => group.rewards.map(({ overall }) => overall))).toEqual([
    [0, 1],
    [2, 3],
    [4, 5],
  ]);
  expect(idsOf(heldPrompts(stream.prompts))).toEqual(["row 0", "row 1", "row 2"]);
});

test("after algorithm.filter.maxTries rounds it gives up with what it found, and holds nothing", async () => {
  const { stream, collect } = await opened(
    [0, 0.5, 0, 1, 0.5, 0],
    settings(...filtered, "algorithm.filter.maxTries=3"),
  );
  const error = await collect().catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(RewardError);
  expect((error as Error).message).toContain("2 of 3 informative groups after 3 rounds");
  expect(stream.prompts).toHaveLength(6);
  expect(heldPrompts(stream.prompts)).toEqual([]);
});

test("the last allowed round may fill the batch", async () => {
  const { collect } = await opened([0, 0.5, 0, 1, 0.5, 0.5], settings(...filtered, "algorithm.filter.maxTries=3"));
  expect((await collect()).numRounds).toBe(3);
});

test("algorithm.filter.maxTries of 0 sets no limit", async () => {
  const { collect } = await opened([0, 0, 0, 0, 0, 0, 0, 0.5], settings(...filtered, "algorithm.filter.maxTries=0"));
  const { groups, numRounds } = await collect();
  expect(numRounds).toBe(12);
  expect(idsOf(groups.map(({ prompt }) => prompt))).toEqual(["row 7", "row 7", "row 7"]);
});

test("a prompt that comes again in a later epoch of one step has other responses", async () => {
  const { collect } = await opened([0.5, 0], settings(...filtered));
  const { groups } = await collect();
  expect(groups.map(({ prompt }) => [prompt.example.id, prompt.epoch])).toEqual([
    ["row 0", 0],
    ["row 0", 1],
    ["row 0", 2],
  ]);
  const responses = groups.flatMap((group) => group.responses.map(({ ids }) => ids.join()));
  expect(new Set(responses).size).toBe(6);
});

test("without dynamic sampling one round of data.rolloutBatchSize prompts is kept whatever its rewards", async () => {
  const config = settings("algorithm.filter.enabled=false");
  const { stream, collect } = await opened([0, 1, 0, 1], config);
  const { groups, numRounds, numGenerated } = await collect();
  expect(idsOf(groups.map(({ prompt }) => prompt))).toEqual(["row 0", "row 1", "row 2"]);
  expect([numRounds, numGenerated]).toEqual([1, 3]);
  expect(heldPrompts(stream.prompts)).toHaveLength(3);
});

test("a reward that fails ends the step, and nothing is held", async () => {
  const { stream, collect } = await opened([0.5, 0, 0.5, -1], settings(...filtered));
  await expect(collect()).rejects.toThrow("a score below 0");
  expect(stream.prompts).toHaveLength(4);
  expect(heldPrompts(stream.prompts).length).toBe(0);
});
