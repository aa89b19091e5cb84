// README.md of an exported model: where it comes from, how it was trained, what it scores, how to use it.
import { basename } from "node:path";
import { stringify } from "yaml";
import type { RunConfig } from "../config/schema.ts";
import type { EvaluationSummary } from "../eval/benchmarks/summary.ts";
import type { RunRecord } from "../trainer/run-record.ts";
import { hubId, publicSettings } from "./public-settings.ts";

export interface CardFacts {
  readonly title: string;
  readonly record: RunRecord;
  readonly step: number;
  /** Metrics of that step, and of the newest validation up to it. */
  readonly metrics: Readonly<Record<string, number | null>>;
  readonly evaluations: readonly EvaluationSummary[];
  /** As the hub spells licences; undefined: none is named. */
  readonly license?: string | undefined;
}

export function modelCard(facts: CardFacts): string {
  const config = facts.record.config as RunConfig;
  return [
    `---\n${stringify(frontMatter(facts, config))}---`,
    `# ${oneLine(facts.title)}`,
    introduction(facts, config),
    ...scores(facts),
    usage(config),
    `## Settings\n\n${codeBlock("yaml", stringify(publicSettings(config), { lineWidth: 0 }))}`,
    `## Versions\n\n${codeBlock("yaml", stringify(versions(facts.record), { lineWidth: 0 }))}`,
  ]
    .join("\n\n")
    .concat("\n");
}

/** https://huggingface.co/docs/hub/model-cards */
function frontMatter({ record, license }: CardFacts, { model, data }: RunConfig): Record<string, unknown> {
  const base = hubId(model.path);
  const dataset = hubId(data.train);
  return {
    library_name: "transformers",
    pipeline_tag: "image-text-to-text",
    ...(license === undefined ? {} : { license }),
    ...(base === undefined ? {} : { base_model: base }),
    ...(dataset === undefined ? {} : { datasets: [dataset] }),
    tags: ["papo", ...(record.command === "sft" ? ["sft"] : ["reinforcement-learning", "grpo"])],
  };
}

function introduction({ record, step }: CardFacts, { model, data, algorithm }: RunConfig): string {
  const terms = algorithm.klPrcp.enabled ? " with a perception KL to masked pictures (PAPO)" : "";
  const how =
    record.command === "sft"
      ? "supervised fine-tuning"
      : `${algorithm.advantage} advantages, ${algorithm.policyLoss} loss${terms}`;
  const from = hubId(model.path) ?? `a local checkpoint (${basename(model.path)})`;
  const on = hubId(data.train) ?? `local data (${basename(data.train ?? "none")})`;
  return `${oneLine(from)}, trained by papo for ${step} steps on ${oneLine(on)}: ${how}.`;
}

const shownMetrics = ["val/reward_score", "val/accuracy_reward", "val/sft_loss", "reward/overall", "reward/accuracy"];

function scores({ metrics, evaluations }: CardFacts): string[] {
  const rows = shownMetrics.flatMap((name) => {
    const value = metrics[name];
    return typeof value === "number" ? [`| \`${name}\` | ${value.toPrecision(4)} |`] : [];
  });
  const ofRun =
    rows.length === 0 ? [] : [["## Scores", "", "| Of the run at this step | |", "| - | -: |", ...rows].join("\n")];
  return [...ofRun, ...evaluations.map(benchmarkTable)];
}

const percent = (value: number) => (100 * value).toFixed(1);

function benchmarkTable({ benchmarks }: EvaluationSummary): string {
  const rows = benchmarks.map(({ name, n, avgAtN, interval, rows: count, complete }) => {
    const range = interval ? `${percent(interval.low)} to ${percent(interval.high)}` : "";
    return `| ${oneLine(name)}${complete ? "" : " (incomplete)"} | ${n} | ${percent(avgAtN)} | ${range} | ${count} |`;
  });
  const head = ["| Benchmark | n | avg@n, % | 95 % interval | rows |", "| - | -: | -: | - | -: |"];
  return ["## Evaluation (papo eval)", "", ...head, ...rows].join("\n");
}

function usage({ data }: RunConfig): string {
  const prompt =
    data.formatPrompt === null
      ? ""
      : `\n\nQuestions were asked with the format prompt \`${basename(data.formatPrompt)}\`.`;
  const python = [
    "from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration",
    "",
    'folder = "."  # this folder, or its id on the hub',
    "model = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder)",
    "processor = AutoProcessor.from_pretrained(folder)",
  ].join("\n");
  const pixels = [
    ...(data.minPixels > 0 ? [`--min-pixels ${data.minPixels}`] : []),
    ...(data.maxPixels > 0 ? [`--max-pixels ${data.maxPixels}`] : []),
  ].join(" ");
  const shell = `papo generate --model . --image picture.png --prompt "What is shown?" ${pixels}`.trimEnd();
  return `## Use\n\n${codeBlock("python", python)}\n\n${codeBlock("sh", shell)}${prompt}`;
}

function versions({ git, build, command }: RunRecord): Record<string, unknown> {
  return { command: `papo ${command}`, ...build, ...(git ? { commit: git.commit, uncommitted: git.dirty } : {}) };
}

/** A fence longer than any in the text. */
function codeBlock(language: string, text: string): string {
  const longest = Math.max(0, ...(text.match(/`+/gu) ?? []).map((run) => run.length));
  const fence = "`".repeat(Math.max(3, longest + 1));
  return `${fence}${language}\n${text.trimEnd()}\n${fence}`;
}

const oneLine = (text: string) => text.replaceAll(/\s+/gu, " ").replaceAll(/[<|]/gu, "\\$&");
