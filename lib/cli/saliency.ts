import type { Command } from "@commander-js/extra-typings";
import { integerFrom, samplingOptions } from "./option-values.ts";
import { pixelOptions, saliencyOptions, sourceOf } from "./saliency-options.ts";

const area = integerFrom(0, 2 ** 40);

/** `papo saliency`: ranks the patches of a data set's pictures, which a run with aug.strategy: saliency reads. */
export function registerSaliency(program: Command): void {
  program
    .command("saliency")
    .description(
      "rank the patches of a data set's pictures by saliency, for aug.strategy: saliency; goes on where it was",
    )
    .requiredOption("--data <data>", "a file, a folder or a hub id, with @split")
    .addOption(saliencyOptions.model())
    .addOption(saliencyOptions.policy())
    .addOption(saliencyOptions.layers())
    .option("--out <file>", "the file, as the run's aug.saliency.cache (default: beside the data set)")
    .addOption(pixelOptions.minPixels(area))
    .addOption(pixelOptions.maxPixels(area))
    .option("--exif-rotate", "turn pictures as their EXIF orientation says, as the run's data.exifRotate")
    .addOption(samplingOptions.device())
    .addOption(samplingOptions.threads())
    .action(async (options) => {
      const { openDataset } = await import("../data/dataset.ts");
      const { rankDataset } = await import("../saliency/rank-dataset.ts");
      const { Progress } = await import("../trainer/progress.ts");
      const { setThreads } = await import("../trainer/threads.ts");
      const { withInterrupt } = await import("./interrupt.ts");
      await setThreads(options.threads, "--threads");
      const line = await withInterrupt(async (signal) => {
        const source = await sourceOf(options, signal);
        const dataset = await openDataset(options.data, { hub: { signal } });
        using phase = new Progress().phase("saliency", dataset.length, "rows");
        const { file, numNew, numUnreadable } = await rankDataset(dataset, source, {
          ...{ device: options.device, path: options.out ?? null, pathKey: "--out", signal },
          say: (text) => void process.stderr.write(`${text}\n`),
          onProgress: (done) => {
            phase.update(done);
          },
        });
        const { path, size } = file;
        await file[Symbol.asyncDispose]();
        return `${path}: ${size} pictures, ${numNew} of them new; ${numUnreadable} pictures or rows unreadable\n`;
      });
      process.stdout.write(line);
    });
}
