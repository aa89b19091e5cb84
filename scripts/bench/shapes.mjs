// The workloads that are timed: sizes of the model, prompts, pictures and responses.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { SetupError } from "../lib/project.mjs";

/**
 * `lengths`: papo's responses end early; the peer cannot, so there is no ratio.
 * @typedef {{ name: string, size: "s" | "m", n: number, response: number, pictures?: boolean, lengths?: string,
 *   what: string }} Shape
 */

/** @type {readonly Shape[]} */
export const shapes = [
  { name: "s", size: "s", n: 5, response: 128, what: "10 M weights, 8 prompts x 5 responses of 128" },
  { name: "m", size: "m", n: 5, response: 128, what: "101 M weights and Qwen's vocabulary, otherwise as s" },
  { name: "s-n8", size: "s", n: 8, response: 128, what: "8 responses a prompt" },
  { name: "s-short", size: "s", n: 5, response: 64, what: "responses of 64" },
  { name: "s-long", size: "s", n: 5, response: 512, what: "responses of 512" },
  { name: "s-pictures", size: "s", n: 5, response: 128, pictures: true, what: "pictures of 24 to 576 tokens" },
  {
    ...{ name: "s-ends", size: "s", n: 5, response: 128, lengths: "128,7,64,23,101,1,90" },
    what: "responses that end after 1 to 128",
  },
];

/** Width and height in pixels; multiples of 28, so that nothing is resized. */
const pictureSizes = [
  [448, 336],
  [224, 168],
  [672, 672],
  [140, 560],
  [896, 448],
  [168, 112],
  [504, 392],
  [336, 448],
];

/**
 * The checkpoint and workload of a shape, made where they are missing.
 * @param {Shape} shape
 * @param {{ dir: string, reference: string, python: string }} places
 * @returns {Promise<{ model: string, workload: string }>}
 */
export async function prepareShape({ size, pictures }, { dir, reference, python }) {
  const model = join(dir, size);
  const workload = join(model, "workload.json");
  if (!existsSync(workload)) {
    mkdirSync(model, { recursive: true });
    const made = spawnSync(python, [join(reference, "make_workload.py"), model, "--size", size], { encoding: "utf8" });
    if (made.status !== 0) throw new SetupError(`make_workload.py failed:\n${made.stderr}`);
  }
  return { model, workload: pictures ? await withPictures(model, workload) : workload };
}

/**
 * The same prompts with pictures of several sizes.
 * @param {string} model
 * @param {string} workload
 */
async function withPictures(model, workload) {
  const file = join(model, "workload-pictures.json");
  if (existsSync(file)) return file;
  const { image_token_id: imageToken } = JSON.parse(readFileSync(join(model, "config.json"), "utf8"));
  const { prompts } = JSON.parse(readFileSync(workload, "utf8"));
  const changed = [];
  for (const [index, { input_ids: ids, images }] of prompts.entries()) {
    const [width = 448, height = 336] = pictureSizes[index % pictureSizes.length] ?? [];
    const name = `sized-${index}.png`;
    await sharp(join(model, images[0])).resize(width, height, { fit: "fill" }).png().toFile(join(model, name));
    changed.push({ input_ids: resized(ids, imageToken, (width / 28) * (height / 28)), images: [name] });
  }
  writeFileSync(file, JSON.stringify({ prompts: changed }));
  return file;
}

/**
 * The ids with another number of image tokens.
 * @param {readonly number[]} ids
 * @param {number} imageToken
 * @param {number} count
 */
function resized(ids, imageToken, count) {
  const first = ids.indexOf(imageToken);
  const rest = ids.slice(first).filter((id) => id !== imageToken);
  return [...ids.slice(0, first), ...Array(count).fill(imageToken), ...rest];
}
