import type { Command } from "@commander-js/extra-typings";
import { columnOptions, graderOption, integerFrom, maskOptions, numberIn, samplingOptions } from "./option-values.ts";

/** `papo kl-map`: what the picture changes in one row's responses, as a page. */
export function registerKlMap(program: Command): void {
  program
    .command("kl-map")
    .description(
      "write an HTML page of a row's responses, each token coloured by its KL between picture and masked picture",
    ) // prettier-ignore
    .requiredOption("--model <dir>", "checkpoint folder or Hugging Face model id")
    .requiredOption("--data <spec>", "parquet or JSONL file, folder of shards, or hub id; path@split picks a split")
    .requiredOption("--row <number>", "row of the data, from 1", integerFrom(1))
    .option("--out <file>", "the page to write", "kl-map.html")
    .option("--n <count>", "responses", integerFrom(1, 256), 4)
    .addOption(maskOptions.ratio())
    .addOption(maskOptions.exact())
    .addOption(maskOptions.patchPx())
    .addOption(maskOptions.mode())
    .addOption(maskOptions.fill())
    .option("--temperature <number>", "0: greedy", numberIn(0, 100), 1)
    .addOption(samplingOptions.topP())
    .addOption(samplingOptions.topK())
    .addOption(samplingOptions.maxTokens(2048))
    .addOption(samplingOptions.seed())
    .option("--reward <type>", "math, or the path of a module of yours", "math")
    .addOption(graderOption())
    .addOption(samplingOptions.formatPrompt())
    .addOption(samplingOptions.system())
    .addOption(samplingOptions.minPixels())
    .addOption(samplingOptions.maxPixels())
    .addOption(columnOptions.promptKey())
    .addOption(columnOptions.answerKey())
    .addOption(columnOptions.imageKey())
    .addOption(columnOptions.idKey())
    .addOption(columnOptions.imageDir())
    .addOption(samplingOptions.dtype())
    .addOption(samplingOptions.device())
    .addOption(samplingOptions.threads())
    .action(async (words) => {
      const [{ measureKlMap }, { renderKlMap }, { checkOutFile }, { writeFileAtomic }, { withInterrupt }] =
        await Promise.all([
          import("../analysis/kl-map/measure-kl-map.ts"),
          import("../analysis/kl-map/page.ts"),
          import("./out-file.ts"),
          import("../trainer/durable-file.ts"),
          import("./interrupt.ts"),
        ]);
      const { out, promptKey, answerKey, imageKey, idKey, imageDir, mode, patchPx, ratio, exact, fill, ...rest } =
        words;
      await checkOutFile(out);
      const dataset = { promptKey, answerKey, imageKey, idKey, ...(imageDir === undefined ? {} : { imageDir }) };
      const mask = { mode, patchPx, ratio, exact: exact === true, fill };
      const map = await withInterrupt((signal) => measureKlMap({ ...rest, dataset, mask, signal }));
      await writeFileAtomic(out, renderKlMap(map));
      const means = map.responses.map(({ meanKl }) => meanKl.toFixed(3));
      process.stdout.write(`${out}: ${map.id}, mean KL_prcp of each response ${means.join(", ")}\n`);
    });
}
