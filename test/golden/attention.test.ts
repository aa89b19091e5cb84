// Attention to pictures beside transformers' eager attention (scripts/make_attention_golden.py).
import { join } from "node:path";
import { expect, test } from "vitest";
import { normalizedEntropy, total } from "../../lib/analysis/attention/image-attention.ts";
import { decodeImage } from "../../lib/data/image.ts";
import type { PolicyHandle } from "../../lib/native/binding.ts";
import { loadNative, packageRoot } from "../../lib/native/load.ts";
import { Golden } from "../../lib/policy/golden.ts";
import { Policy } from "../../lib/policy/policy.ts";
import { readImageSpec } from "../../lib/processor/image-size.ts";
import { testing } from "../support/objective.ts";
import { batchOf, keep, relativeDifference } from "../support/tiny-policy.ts";
import goldenAttention from "./attention.json" with { type: "json" };

const native = loadNative();
const fixture = join(packageRoot, "lib", "policy", "fixture");
const golden = await Golden.read(fixture);
const imageSpec = await readImageSpec(fixture, { trainerMinPixels: 0, trainerMaxPixels: 0 });

/** A fixture's case as a group of one response. */
async function groupOf(index: number) {
  const { images: names = [], n_prompt: numPrompt = 0 } = golden.cases[index] ?? {};
  const images = [];
  for (const name of names) {
    const path = join(fixture, name);
    const { rgb, width, height } = await decodeImage({ path }, { file: path, row: 1 });
    images.push(keep(native.createImage(rgb, height, width, imageSpec)));
  }
  const ids = Int32Array.from(golden.integers(index, "input_ids"));
  return {
    prompt: { exampleId: `case${index}`, ids: ids.slice(0, numPrompt), images },
    responses: [ids.slice(numPrompt)],
  };
}

async function sharpen(policy: PolicyHandle): Promise<void> {
  for (const { name } of native.policyTensors(policy).filter((tensor) => tensor.name.includes(".q_proj."))) {
    const values = await testing.policyValues(policy, name, "weight");
    await testing.setPolicyValues(policy, name, "weight", values.map((value) => value * goldenAttention.sharper)); // prettier-ignore
  }
}

test.for(["plain", "sharp"] as const)("attention of a %s model to its pictures is transformers'", async (kind) => {
  using policy = await Policy.open(fixture);
  if (kind === "sharp") await sharpen(policy.handle);
  const expected = Object.values(goldenAttention[kind]);
  const batch = batchOf([await groupOf(0), await groupOf(1)]);
  const attention = await native.imageAttention(policy.handle, batch, { maxTokens: 4096 });
  expect(attention).toHaveLength(expected.length);
  for (const [index, values] of attention.entries()) {
    const { attention: theirs = [], share = 0, entropy = 0 } = expected[index] ?? {};
    expect(relativeDifference(values, Float64Array.from(theirs))).toBeLessThan(kind === "plain" ? 1e-6 : 2e-5);
    expect(total(values)).toBeCloseTo(share, 6);
    expect(normalizedEntropy(values)).toBeCloseTo(entropy, 6);
  }
});
