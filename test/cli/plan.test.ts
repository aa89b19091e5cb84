import { Command } from "@commander-js/extra-typings";
import { afterEach, expect, test, vi } from "vitest";
import { registerPlan } from "../../lib/cli/plan.ts";
import { describeFailure } from "../../lib/cli/report-error.ts";

afterEach(() => {
  process.exitCode = undefined;
});

/** What `papo plan ...` prints, its exit code, and its error. */
async function plan(...words: string[]) {
  const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  const program = new Command().exitOverride();
  registerPlan(program);
  for (const command of program.commands) command.exitOverride().configureOutput({ writeErr: () => undefined });
  try {
    const failure: unknown = await program.parseAsync(["plan", ...words], { from: "user" }).then(
      () => undefined,
      (error: unknown) => error,
    );
    const printed = write.mock.calls.map(([text]) => String(text)).join("");
    return { printed, failure, exitCode: process.exitCode };
  } finally {
    write.mockRestore();
  }
}

const recipe = "qwen2_5_vl_3b_grpo_papo";

test("plan prints a table, with the overrides of train", async () => {
  const { printed, failure, exitCode } = await plan(recipe, "--gpus", "2xh100", "optim.globalBatchSize=384");
  expect(failure).toBeUndefined();
  expect(exitCode).toBeUndefined();
  expect(printed).toMatch(/^ {2}total .*\nIt fits into 80\.0 GB\.$/mu);
  expect(printed).toMatch(/^ {2}old log-probs +0 +0\.0 /mu); // one optimizer step: none needed
});

test("plan --json prints one object of bytes, seconds and FLOP", async () => {
  const { printed } = await plan(recipe, "--gpus", "2xh100", "--response-tokens", "250", "--json");
  expect(JSON.parse(printed)).toMatchObject({
    ...{ kind: "prediction", name: recipe, gpus: { name: "h100", count: 2 }, fits: true },
    lengths: { promptTokens: 1200, imageTokens: 1000, responseTokens: 250 },
    hours: { steps: 202 },
  });
});

test("a run that does not fit is planned all the same, and the exit code says so", async () => {
  const { printed, failure, exitCode } = await plan(recipe, "--gpus", "1xrtx4090");
  expect(failure).toBeUndefined();
  expect(exitCode).toBe(1);
  expect(printed).toContain("It does not fit");
  expect(printed).toContain("Whole run: 202 steps");
});

test("wrong words are the user's errors, in one line", async () => {
  for (const [words, message] of [
    [["--gpus", "2xv100"], /^papo: --gpus: expected COUNTxNAME with a name of h100, .*got "2xv100"\n$/u],
    [["--gpus", "0xh100"], /^papo: --gpus: expected 1 to 1024 GPUs, got 0\n$/u],
    [["--gpus", "2xh100", "--prompt-tokens", "100", "--image-tokens", "101"], /^papo: --image-tokens: .*got 101\n$/u],
    [["--gpus", "2xh100", "optim.microBatchTokens=0"], /microBatchTokens/u],
  ] as const) {
    const { failure, printed } = await plan(recipe, ...words);
    expect(printed).toBe("");
    expect(describeFailure(failure)).toEqual({ text: expect.stringMatching(message) as string, exitCode: 1 });
  }
  for (const words of [[], ["--gpus", "2xh100", "--prompt-tokens", "-1"], ["--gpus", "2xh100", "--steps", "0"]]) {
    expect(describeFailure((await plan(recipe, ...words)).failure).exitCode).toBe(2);
  }
});
