import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import type { Command } from "@commander-js/extra-typings";
import { ConfigError } from "../errors.ts";
import type { ModelExport } from "../export/export-run.ts";
import type { CheckpointChoice } from "../export/exported-checkpoint.ts";

/** `papo export RUN_DIR`: a checkpoint as a model folder with its card, or on the hub. */
export function registerExport(program: Command): void {
  program
    .command("export")
    .description("make a Hugging Face model with its card of a run's checkpoint, in a folder or on the hub")
    .argument("<run-dir>", "the run folder")
    .addOption(
      new Option("--to <where>", "a folder or the hub").choices(["dir", "hub"] as const).default("dir" as const),
    )
    .option("--checkpoint <which>", "best, last or a step", parseChoice, "last" as CheckpointChoice)
    .option("--out <dir>", "the folder to write (--to dir)")
    .option("--repo <id>", "org/name on the hub (--to hub); the token is HF_TOKEN's")
    .option("--public", "make the new repository public (default: private)")
    .option("--update", "commit to a repository that is there already")
    .option("--eval <dirs...>", "output folders of papo eval --benchmarks, for the card")
    .option("--license <id>", "licence that the card names, as the hub spells it")
    .option("--title <text>", "title of the card (default: the run folder's name)")
    .action(async (runDir, options) => {
      const { to, out, repo, checkpoint, license, title } = options;
      if (to === "dir" && out === undefined) throw new ConfigError("--out", "expected a folder with --to dir");
      if (to === "hub" && repo === undefined) throw new ConfigError("--repo", "expected org/name with --to hub");
      const { exportToFolder, prepareExport } = await import("../export/export-run.ts");
      const model = await prepareExport(runDir, { checkpoint, evaluations: options.eval ?? [], license, title });
      if (to === "dir") {
        await exportToFolder(model, out ?? "");
        process.stdout.write(`step ${model.step}: ${out ?? ""}\n`);
        return;
      }
      const url = await upload(model, { ...options, repo: repo ?? "" });
      process.stdout.write(`step ${model.step}: ${url}\n`);
    });
}

interface Destination {
  readonly repo: string;
  readonly public?: boolean | undefined;
  readonly update?: boolean | undefined;
}

async function upload(model: ModelExport, { repo, update = false, public: isPublic }: Destination): Promise<string> {
  const { uploadModel } = await import("../export/hub-upload.ts");
  const { Progress } = await import("../trainer/progress.ts");
  const { withInterrupt } = await import("./interrupt.ts");
  const phase = new Progress().phase("uploading", model.files.length, "files");
  const shares = new Map<string, number>();
  const onProgress = (file: string, share: number) => {
    shares.set(file, share);
    phase.update(Math.floor([...shares.values()].reduce((sum, part) => sum + part, 0)));
  };
  const visibility = isPublic ? "public" : "private";
  try {
    return await withInterrupt((signal) => uploadModel(model, { repo, update, visibility, signal, onProgress }));
  } finally {
    phase[Symbol.dispose](); // `using` would keep tsc from rewriting the imports above
  }
}

function parseChoice(text: string): CheckpointChoice {
  if (text === "best" || text === "last") return text;
  if (/^\d+$/u.test(text)) return Number(text);
  throw new InvalidArgumentError("Expected best, last or a step.");
}
