// Options that say whose attention ranks patches; of `papo saliency` and `papo mask`.
import { InvalidArgumentError, Option } from "@commander-js/extra-typings";
import { ConfigError } from "../errors.ts";
import type { SaliencySource } from "../saliency/saliency-model.ts";
import { integerFrom } from "./option-values.ts";

export const saliencyOptions = {
  model: () => new Option("--model <dir>", "saliency by a DINOv2: its folder or hub id"),
  policy: () => new Option("--policy <dir>", "saliency by the vision tower of a policy: its folder or hub id"),
  layers: () =>
    new Option(
      "--layers <list>",
      "layers whose attention is averaged, from 0 (default: 6,7,8,9; a tower's with full attention)",
    ).argParser(layerList),
};

function layerList(text: string): number[] {
  const layers = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  if (layers.every((layer) => Number.isSafeInteger(layer) && layer >= 0)) return layers;
  throw new InvalidArgumentError("Expected integers >= 0 with commas between.");
}

export interface SourceOptions {
  readonly model?: string | undefined;
  readonly policy?: string | undefined;
  readonly layers?: readonly number[] | undefined;
  readonly minPixels: number;
  readonly maxPixels: number;
  readonly exifRotate?: true | undefined;
}

/** Limits of the trainer's resize as a run has them: a tower looks at what the policy is given. */
export const pixelOptions = {
  minPixels: (parse: ReturnType<typeof integerFrom>) =>
    new Option("--min-pixels <pixels>", "enlarge smaller pictures first, as the run's data.minPixels")
      .argParser(parse)
      .default(262_144),
  maxPixels: (parse: ReturnType<typeof integerFrom>) =>
    new Option("--max-pixels <pixels>", "reduce larger pictures first, as the run's data.maxPixels")
      .argParser(parse)
      .default(4_194_304),
};

/** @throws {ConfigError} when not exactly one of --model and --policy is given */
export async function sourceOf(options: SourceOptions, signal?: AbortSignal): Promise<SaliencySource> {
  const { model, policy, minPixels, maxPixels } = options;
  if ((model === undefined) === (policy === undefined))
    throw new ConfigError("--model", "expected whose saliency it is: either --model DINOV2 or --policy DIR");
  const { resolveModelFolder } = await import("../data/hub.ts");
  const { defaultImageSpec, readImageSpec } = await import("../processor/image-size.ts");
  const { saliencySource } = await import("../saliency/saliency-model.ts");
  const folder = async (spec: string) => await resolveModelFolder(spec, signal ? { signal } : {});
  const policyDir = policy === undefined ? null : await folder(policy);
  const limits = { trainerMinPixels: minPixels, trainerMaxPixels: maxPixels };
  return await saliencySource({
    model: model === undefined ? null : await folder(model),
    policy: policyDir,
    layers: options.layers ?? null,
    imageSpec: policyDir === null ? defaultImageSpec(limits) : await readImageSpec(policyDir, limits),
    exifRotate: options.exifRotate === true,
    layersKey: "--layers",
  });
}
