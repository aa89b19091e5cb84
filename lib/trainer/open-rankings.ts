// The rankings that a run's masks by saliency need: what is missing is computed before the run begins.
import type { Dataset } from "../data/dataset.ts";
import { resolveModelFolder } from "../data/hub.ts";
import type { PictureRankings } from "../processor/processor.ts";
import { rankDataset, rankingsOf } from "../saliency/rank-dataset.ts";
import { saliencySource } from "../saliency/saliency-model.ts";
import type { OpenedRun } from "./open-run.ts";

/** Undefined where masks are random. The file stays open with the run. */
export async function openRankings(run: OpenedRun, dataset: Dataset): Promise<PictureRankings | undefined> {
  const { config, processor, progress, say, signal } = run;
  const { strategy, saliency } = config.aug;
  if (strategy === "random") return undefined;
  const source = await saliencySource({
    model: saliency.model === null ? null : await resolveModelFolder(saliency.model, signal ? { signal } : {}),
    policy: run.modelDir,
    layers: saliency.layers,
    imageSpec: processor.imageSpec,
    exifRotate: config.data.exifRotate,
    layersKey: "aug.saliency.layers",
  });
  using phase = progress.phase("saliency", dataset.length, "rows");
  const { file, numNew, numUnreadable } = await rankDataset(dataset, source, {
    device: config.trainer.device,
    path: saliency.cache,
    pathKey: "aug.saliency.cache",
    ...{ say, signal },
    onProgress: (done) => {
      phase.update(done);
    },
  });
  run.disposal.use(file);
  if (numNew > 0) say(`saliency: ${numNew} pictures ranked into ${file.path}`);
  if (numUnreadable > 0) say(`saliency: ${numUnreadable} pictures or rows are unreadable`);
  return rankingsOf(file);
}
