import type { Command } from "@commander-js/extra-typings";
import { ConfigError } from "../errors.ts";
import type { LeakReport, NamedRows } from "../eval/leaks/leaks.ts";

/** `papo leaks`: pictures that training and evaluation data share. */
export function registerLeaks(program: Command): void {
  program
    .command("leaks")
    .description("report pictures of evaluation data that are in training data too, by their bytes and their pixels")
    .requiredOption("--train <data...>", "training data: files, folders or hub ids, each with @split")
    .option("--data <data...>", "evaluation data likewise")
    .option("--benchmarks <names>", "benchmarks as papo eval takes them")
    .option("--benchmark-data <dir>", "folder with data/images, as papo eval takes it (default: the hub)")
    .option("--out <file>", "JSON file for the whole report, every shared picture by row")
    .action(async ({ train, data = [], benchmarks, benchmarkData, out }) => {
      if (data.length === 0 && benchmarks === undefined)
        throw new ConfigError("--data", "expected evaluation data: --data, --benchmarks or both");
      const { openDataset } = await import("../data/dataset.ts");
      const { withInterrupt } = await import("./interrupt.ts");
      const { findLeaks } = await import("../eval/leaks/leaks.ts");
      const { resolveBenchmarks } = await import("../eval/benchmarks/registry.ts");
      const { openBenchmark } = await import("../eval/benchmarks/open-benchmark.ts");
      const { Progress } = await import("../trainer/progress.ts");
      const { writeFileAtomic } = await import("../trainer/durable-file.ts");
      const reports = await withInterrupt(async (signal) => {
        const open = async (name: string): Promise<NamedRows> => ({ name, dataset: await openDataset(name, { hub: { signal } }) }); // prettier-ignore
        const trained = await Promise.all(train.map(open));
        const evaluated = await Promise.all(data.map(open));
        for (const benchmark of benchmarks === undefined ? [] : resolveBenchmarks(benchmarks, { benchmarkData })) {
          const { dataset } = await openBenchmark(benchmark, { acceptRowCounts: true, signal });
          evaluated.push({ name: benchmark.id, dataset });
        }
        const total = [...trained, ...evaluated].reduce((sum, { dataset }) => sum + dataset.length, 0);
        using phase = new Progress().phase("hashing pictures", total, "rows");
        const onProgress = (done: number) => {
          phase.update(done);
        };
        return await findLeaks(trained, evaluated, { signal, onProgress });
      });
      if (out !== undefined) await writeFileAtomic(out, `${JSON.stringify(reports, null, 2)}\n`);
      process.stdout.write(reports.map(describe).join(""));
    });
}

function describe({ name, numRows, numPictures, numUnreadable, numSharedRows, shared }: LeakReport): string {
  const byFile = shared.filter(({ by }) => by === "file").length;
  const first = shared.slice(0, 5).map(({ id, train, trainId }) => `  ${id} = ${trainId} of ${train}\n`);
  const unread = numUnreadable > 0 ? `, ${numUnreadable} pictures unreadable` : "";
  const counts = `${shared.length} of ${numPictures} pictures shared (${byFile} by bytes, ${shared.length - byFile} by pixels)`;
  return `${name}: ${counts}, in ${numSharedRows} of ${numRows} rows${unread}\n${first.join("")}`;
}
