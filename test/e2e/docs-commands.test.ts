// Every command of README.md and docs/ is one that the command line takes, and does what it says on a small desk: the
// files that the pages speak of, with a tiny model. What cannot run here is in the table with the reason, and still parsed.
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeMiniature } from "../../lib/miniature/dataset.ts";
import { packageRoot } from "../../lib/native/load.ts";
import { referenceYaml } from "../config/reference-yaml.ts";
import { optionsOf, parseCommand } from "../docs/parse-command.ts";
import { codeBlocks, type DocCommand, docCommands, docPages, readPage } from "../docs/shell-blocks.ts";
import { runPapo } from "../support/processes.ts";
import { jsonLines, makeWorld, removeWorld } from "./world.ts";
import type { World } from "./world.ts";

const dinov2 = join(packageRoot, "test", "fixtures", "dinov2", "mlp");
let world: World;
let desk = "";
let numOutputs = 0;
/** Commands that several pages have are run once. */
const done = new Set<string>();

const deskFile = (name: string) => join(desk, name);
const freshName = () => `out/${String(++numOutputs)}`;
const rowsAs = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

/** The page's code block that holds a text, as a file: what people copy has to work. */
function writeBlock(page: string, language: string, mark: string, name: string): void {
  const block = codeBlocks(page, language).find(({ text }) => text.includes(mark));
  if (block === undefined) throw new Error(`${page} has no ${language} block with ${mark}`);
  writeFileSync(deskFile(name), block.text);
}

beforeAll(async () => {
  world = await makeWorld();
  desk = join(world.dir, "desk");
  for (const folder of ["out", "eval/data/images"]) mkdirSync(deskFile(folder), { recursive: true });
  cpSync(world.model, deskFile("model"), { recursive: true });
  const rows = jsonLines(await writeMiniature(desk, { split: "rl", seed: 3, count: 20, rows: 2, columns: 2 }));
  writeFileSync(deskFile("worked.jsonl"), rowsAs(rows));
  const plain = rows.map(({ id, problem, answer, images }) => ({ id, problem, answer, images }));
  for (const name of ["rows.jsonl", "held-out.jsonl", "train.jsonl"]) writeFileSync(deskFile(name), rowsAs(plain));
  cpSync(deskFile((plain[0]?.images as string[])[0] ?? ""), deskFile("a.png"));
  const pairs = [{ gold: "1/2", pred: "0.5", judged: true }, { gold: "7", pred: "8", judged: false }]; // prettier-ignore
  writeFileSync(deskFile("pairs.jsonl"), rowsAs(pairs));
  writeFileSync(deskFile("config_grpo_papo.yaml"), referenceYaml({ advantage: "grpo", papo: true }));
  writeBlock("docs/recipes.md", "yaml", "# mine.yaml", "mine.yaml");
  writeBlock("docs/rewards.md", "js", "computeReward", "my-reward.mjs");
  writeBlock("docs/evaluation.md", "yaml", "benchmarks:", "charts.yaml");
  expectDone(["train", "qwen2_5_vl_3b_grpo", "data.train=rows.jsonl", "data.val=null", ...smallRun, "--out", "runs/mine"]); // prettier-ignore
  expectDone(["eval", "--model", "model", "--benchmarks", "mini-vision", ...smallSampling, "--limit", "2", "--n", "2", "--out", "evals/grpo"]); // prettier-ignore
  cpSync(deskFile("evals/grpo"), deskFile("evals/papo"), { recursive: true });
});
afterAll(() => {
  removeWorld(world);
});

const smallRun = [
  ...["model.path=model", "model.dtype=float32", "optim.strategy=adamw", "rollout.n=2", "rollout.val.n=1"],
  ...["data.rolloutBatchSize=4", "optim.globalBatchSize=4", "data.maxResponseLength=6", "data.minPixels=784"],
  ...["data.maxPixels=3136", "trainer.maxSteps=1", "trainer.totalEpochs=1"],
];
const smallSampling = ["--max-tokens", "4"];

/** What each command gets at its end to be small; `OUT` is a fresh name. Commands that are not here run as written. */
const additions: Readonly<Record<string, readonly string[]>> = {
  train: [...smallRun, "--out", "OUT"],
  sft: [...smallRun, "--out", "OUT"],
  eval: [...smallSampling, "--n", "1", "--limit", "2", "--out", "OUT"],
  attention: [...smallSampling, "--samples", "2", "--out", "OUT"],
  "kl-map": [...smallSampling, "--n", "2", "--out", "OUT.html"],
  generate: smallSampling,
  export: ["--out", "OUT"],
  mask: ["--out", "OUT.png"],
  saliency: ["--out", "OUT.saliency"],
  reproduce: ["--plan", "--out", "OUT"],
  "bench ops": ["--seconds", "0.001"],
};

/** What stands for a word of the pages, or for an option and its value, where the desk has no such thing. */
const substitutes: readonly (readonly [RegExp, string])[] = [
  [/^(model\.path=|worker\.actor\.model\.model_path=|)\/models\/Qwen2\.5-VL-3B-Instruct$/u, "$1model"],
  [/checkpoints\/step-\d{6}$/u, "checkpoints/step-000001"],
  [/^facebook\/dinov2-base$/u, dinov2],
  [/^--checkpoint best$/u, "--checkpoint last"], // the desk's run has no validation
  [/^--benchmarks (?:all|geo3k,counting)$/u, "--benchmarks mini-vision"],
];

/** Parsed only, and why. */
const notRun: readonly (readonly [RegExp, string])[] = [
  [/^papo leaks --train PAPOGalaxy/u, "downloads a data set; test/eval/leaks runs it on files"],
  [/^papo eval --engine openai/u, "asks a server; test/eval/openai has one"],
  [/ papo train .*\bmlflow\b/u, "asks a server; test/trackers has one"],
  [/^papo export .*--to hub/u, "uploads; test/e2e/export.test.ts has a hub"],
  [/^papo dash/u, "serves until it is ended; test/dash"],
  [/^papo setup/u, "downloads libtorch; test/scripts/libtorch.test.ts"],
  [/^papo quickstart/u, "minutes; test/e2e/quickstart.test.ts"],
  [/^papo .*--device cuda/u, "needs a GPU; test/gpu"],
];
/** 1 says that what the command reports is not good, not that it failed. */
const mayFind = /^papo (?:doctor|plan) /u;

function expectDone(words: readonly string[]): string {
  const run = runPapo(words, { cwd: desk });
  expect(run, words.join(" ")).toMatchObject({ status: 0 });
  return run.stdout;
}

/** The command's name, of two words where it has two. */
const nameOf = ([first = "", second = ""]: readonly string[]) =>
  /^(?:bench|config)$/u.test(first) ? `${first} ${second}` : first;

function substituted(word: string, before: string | undefined): string {
  const inContext = `${before ?? ""} ${word}`;
  for (const [from, to] of substitutes) {
    if (from.test(word)) return word.replace(from, to);
    if (from.test(inContext)) return inContext.replace(from, to).split(" ").at(-1) ?? word;
  }
  return word;
}

function smallWords(words: readonly string[]): string[] {
  const replaced = words.map((word, index) => substituted(word, words[index - 1]));
  const more = words.includes("--resume") ? [] : (additions[nameOf(words)] ?? []);
  // The small DINOv2 has three layers.
  const layers = replaced.includes(dinov2) ? ["--layers", "1,2"] : [];
  const out = freshName();
  return [...replaced, ...layers, ...more.map((word) => word.replace("OUT", out))];
}

function runSmall({ text, words, env, redirect }: DocCommand): void {
  if (done.has(text)) return;
  done.add(text);
  const run = runPapo(smallWords(words.slice(1)), { cwd: desk, env });
  expect(run.status === 0 || (mayFind.test(`${text} `) && run.status === 1), run.stderr + run.stdout).toBe(true);
  if (redirect !== undefined) writeFileSync(deskFile(redirect), run.stdout);
}

const { name, scripts } = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as {
  name: string;
  scripts: Record<string, string>;
};

/** Other programs than papo: what they name has to be there. */
const others: Readonly<Record<string, (args: readonly string[]) => void>> = {
  npm: ([command = "", ...args]) => {
    if (command === "install") {
      expect(args).toEqual([name]);
      return;
    }
    const script = command === "run" ? (args[0] ?? "") : command;
    expect(Object.keys(scripts)).toContain(script);
    const source =
      (scripts[script] ?? "")
        .match(/scripts\/[\w-]+\.mjs/gu)
        ?.map((file) => readPage(file))
        .join("\n") ?? "";
    const given = args.slice(args.indexOf("--") + 1).filter((word) => args.includes("--") && word.startsWith("--"));
    if (script !== "quickstart")
      for (const option of given) expect(source).toMatch(new RegExp(`\\b${option.slice(2)}\\b`, "u"));
  },
  node: ([script = ""]) => {
    expect(existsSync(join(packageRoot, script)), script).toBe(true);
  },
  npx: ([tool, , ...files]) => {
    expect(tool).toBe("vitest");
    for (const file of files) expect(existsSync(join(packageRoot, file)), file).toBe(true);
  },
};

/** `npx papo` is papo where it is installed. */
const withoutNpx = (command: DocCommand): DocCommand =>
  command.text.startsWith("npx papo ")
    ? { ...command, text: command.text.slice("npx ".length), words: command.words.slice(1) }
    : command;

describe.each(docPages())("%s", (page) => {
  const commands = docCommands(page).map(withoutNpx);
  test.each(commands.map((command) => [`${command.place} ${command.text}`, command] as const))(
    "%s",
    async (_, command) => {
      const [program = "", ...args] = command.words;
      const quickstart = /^npm run quickstart/u.test(command.text) ? ["quickstart", ...args.slice(args.indexOf("--") + 1 || 2)] : undefined; // prettier-ignore
      if (program === "papo" || quickstart !== undefined) await parseCommand(quickstart ?? args, desk);
      if (program !== "papo") others[program]?.(args);
      expect(program === "papo" || program in others, `the tests do not know ${program}`).toBe(true);
      if (program === "papo" && !notRun.some(([pattern]) => pattern.test(command.text))) runSmall(command);
    },
  );

  test("has only options that the commands named in its text have", () => {
    const spans = readPage(page)
      .replaceAll(/^ *```[^]*?^ *```$/gmu, "")
      .matchAll(/`papo ([^`]+)`/gu);
    for (const [span, text = ""] of spans) {
      const words = text.split(/\s+/u).filter((word) => word !== "");
      const options = optionsOf(
        nameOf(words)
          .split(" ")
          .filter((name) => /^[a-z]/u.test(name)),
      );
      if (words[0]?.startsWith("-") === true || words[0]?.startsWith("<") === true) continue;
      expect(options, `${page}: ${span} is no command`).toBeDefined();
      for (const word of words.filter((name) => name.startsWith("--") && name !== "--help"))
        expect(options, `${page}: ${span}`).toContain(word.replace(/[=,.].*$/u, ""));
    }
  });
});
