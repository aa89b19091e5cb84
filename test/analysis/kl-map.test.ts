// A KL map measured with a small model, held against scoring by other ways.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { EmbeddedPicture, KlMap } from "../../lib/analysis/kl-map/kl-map.ts";
import { type KlMapOptions, measureKlMap } from "../../lib/analysis/kl-map/measure-kl-map.ts";
import { renderKlMap } from "../../lib/analysis/kl-map/page.ts";
import { openDataset } from "../../lib/data/dataset.ts";
import { openModel, openProcessor } from "../../lib/eval/open-model.ts";
import { writeMiniature } from "../../lib/miniature/dataset.ts";
import { writeTinyModel } from "../../lib/miniature/model.ts";
import type { ImageHandle } from "../../lib/native/binding.ts";
import { loadNative } from "../../lib/native/load.ts";
import { Progress } from "../../lib/trainer/progress.ts";
import { keep } from "../support/tiny-policy.ts";

const native = loadNative();
const quiet = new Progress({ isTTY: false, write: () => true } as unknown as NodeJS.WriteStream, {});
let dir = "";
let options: KlMapOptions;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "papo-kl-map-"));
  await writeTinyModel(join(dir, "model"), 1);
  const data = await writeMiniature(join(dir, "data"), { split: "rl", seed: 1, count: 3, rows: 2, columns: 3 });
  const mask = { mode: "raw", patchPx: 14, ratio: 0.6, exact: false, fill: "black" } as const;
  options = { model: join(dir, "model"), data, row: 2, n: 2, maxTokens: 9, seed: 7, temperature: 0.8, mask, progress: quiet }; // prettier-ignore
});
afterAll(() => {
  rmSync(dir, { recursive: true });
});

async function pixels({ dataUrl }: EmbeddedPicture) {
  const { data, info } = await sharp(Buffer.from(dataUrl.split(",")[1] ?? "", "base64")).raw().toBuffer({ resolveWithObject: true }); // prettier-ignore
  return { rgb: Uint8Array.from(data), height: info.height, width: info.width };
}

/** Log-probs of the row's sampled responses where the prompt's picture is another one, at the map's temperature. */
async function logProbsOn(picture: EmbeddedPicture): Promise<Float64Array> {
  const opened = await openProcessor(options.model, options);
  using model = await openModel(opened, options);
  const example = await (await openDataset(options.data)).read(1);
  const prompt = await opened.processor.prepare(example);
  prompt.images.forEach(keep);
  const sampling = { n: 2, temperature: 0.8, topP: 1, topK: -1 };
  const [group] = await model.rollout.generate([prompt], { sampling, purpose: "generate", step: 0 });
  const { rgb, height, width } = await pixels(picture);
  const image: ImageHandle = keep(native.createImage(rgb, height, width, opened.processor.imageSpec));
  const responses = group?.responses.map(({ ids }) => ids) ?? [];
  const batch = keep(native.createBatch([{ prompt: { exampleId: "x", ids: prompt.ids, images: [image] }, responses }]));
  const spec = { temperature: 0.8, entropy: false, maxTokens: 4096 };
  return await native.logProbValues(keep(await native.computeLogProbs(model.policy.handle, batch, spec)));
}

const tokensOf = (map: KlMap) => map.responses.flatMap(({ tokens }) => tokens);

test("both log-probs of every token are those of scoring the two pictures that are shown", async () => {
  const map = await measureKlMap(options);
  const [shown] = map.pictures;
  if (!shown) throw new Error("no picture");
  expect(shown).toMatchObject({ rows: 2, columns: 3, plain: { width: 84, height: 56 } });
  const plain = await logProbsOn(shown.plain);
  const masked = await logProbsOn(shown.masked);
  const tokens = tokensOf(map);
  expect(tokens).toHaveLength(plain.length);
  expect(plain).not.toEqual(masked);
  for (const [index, { logProb, maskedLogProb, kl }] of tokens.entries()) {
    expect(logProb).toBeCloseTo(plain[index] ?? NaN, 5);
    expect(maskedLogProb).toBeCloseTo(masked[index] ?? NaN, 5);
    const s = maskedLogProb - logProb;
    expect(kl).toBeCloseTo(Math.exp(s) - s - 1, 5);
  }
  for (const response of map.responses) {
    const kls = response.tokens.map(({ kl }) => kl);
    expect(response.meanKl).toBeCloseTo(kls.reduce((sum, kl) => sum + kl, 0) / kls.length, 10);
    expect(response.attention.map(({ length }) => length)).toEqual([6]);
    expect(response.reward).toHaveProperty("accuracy");
    expect(response.attentionEntropy).toBeLessThan(1);
  }
});

test("with nothing masked no token has a KL; in patch mode the pictures are as the model sees them", async () => {
  const mask = { ...options.mask, mode: "patch", ratio: 0 } as const;
  const map = await measureKlMap({ ...options, mask });
  expect(Math.max(...tokensOf(map).map(({ kl }) => kl))).toBeLessThan(1e-9);
  const [shown] = map.pictures;
  expect(shown?.masked.dataUrl).toBe(shown?.plain.dataUrl);
  const black = await measureKlMap({ ...options, mask: { ...mask, ratio: 1 } });
  const { rgb } = await pixels(black.pictures[0]?.masked ?? { dataUrl: "", width: 0, height: 0 });
  expect(Math.max(...rgb)).toBe(0);
});

test("the same options give the same page, greedy sampling is scored as it stands", async () => {
  const greedy = { ...options, n: 1, temperature: 0 };
  const map = await measureKlMap(greedy);
  expect(renderKlMap(await measureKlMap(greedy))).toBe(renderKlMap(map));
  // The likeliest of the vocabulary's tokens has at least an even share.
  expect(tokensOf(map)[0]?.logProb).toBeGreaterThan(-Math.log(1000));
});

test("a row that is not there, one without a picture and a mask that does not fit are refused", async () => {
  await expect(measureKlMap({ ...options, row: 4 })).rejects.toThrow("--row: expected 1 to 3, got 4");
  const blind = join(dir, "blind.jsonl");
  writeFileSync(blind, `${JSON.stringify({ problem: "What?", answer: "1", images: [] })}\n`);
  await expect(measureKlMap({ ...options, data: blind, row: 1 })).rejects.toThrow(/blind\.jsonl:1: expected a picture, got none/u); // prettier-ignore
  const mask = { ...options.mask, mode: "patch", patchPx: 15 } as const;
  await expect(measureKlMap({ ...options, mask })).rejects.toThrow(/^--patch-px: /u);
});

test("it stops when told to, before and while it samples", async () => {
  const signal = AbortSignal.abort(new Error("stopped"));
  await expect(measureKlMap({ ...options, signal })).rejects.toThrow("stopped");
  const long = { ...options, n: 64, maxTokens: 100_000, temperature: 5 };
  await expect(measureKlMap({ ...long, signal: AbortSignal.timeout(300) })).rejects.toThrow(/stopped by the caller|timeout/u); // prettier-ignore
});
