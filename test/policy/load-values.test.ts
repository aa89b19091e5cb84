// Every layout of a checkpoint folder gives the weights that were written, value by value.
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadNative, packageRoot } from "../../lib/native/load.ts";
import { Policy } from "../../lib/policy/policy.ts";
import { testing } from "../support/objective.ts";
import { tempFolder } from "../support/temp.ts";

const fixture = join(packageRoot, "lib", "policy", "fixture");
const weightsFile = "model.safetensors";

/** The fixture's tensors as its file holds them, read by hand: float32, little-endian. */
function fixtureTensors(): Map<string, Float64Array> {
  const bytes = readFileSync(join(fixture, weightsFile));
  const headerBytes = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + headerBytes)) as Record<string, { data_offsets: number[] }>;
  const tensors = new Map<string, Float64Array>();
  for (const [name, { data_offsets: offsets }] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const [begin = 0, end = 0] = offsets;
    const value = (_: unknown, index: number) => bytes.readFloatLE(8 + headerBytes + begin + 4 * index);
    tensors.set(name, Float64Array.from({ length: (end - begin) / 4 }, value));
  }
  return tensors;
}

const written = fixtureTensors();

/** The largest |difference| over |expected| + floor, over all tensors of a folder opened as float32. */
async function worstError(dir: string, floor = 1e-30): Promise<number> {
  const policy = await Policy.open(dir);
  try {
    const names = loadNative().policyTensors(policy.handle);
    expect(names.map(({ name }) => name).sort()).toEqual([...written.keys()].sort());
    let worst = 0;
    for (const [name, expected] of written) {
      const actual = await testing.policyValues(policy.handle, name, "weight");
      expect(actual.length).toBe(expected.length);
      for (const [i, value] of expected.entries()) {
        worst = Math.max(worst, Math.abs((actual[i] ?? NaN) - value) / (Math.abs(value) + floor));
      }
    }
    return worst;
  } finally {
    policy[Symbol.dispose]();
  }
}

function copyOfFixture(): string {
  const dir = tempFolder();
  cpSync(fixture, dir, { recursive: true });
  return dir;
}

test("the fixture itself", async () => {
  expect(written.size).toBeGreaterThan(30);
  expect(await worstError(fixture)).toBe(0);
});

test("the newer names: model.language_model.* and model.visual.*", async () => {
  const dir = copyOfFixture();
  const bytes = readFileSync(join(dir, weightsFile));
  const dataAt = 8 + Number(bytes.readBigUInt64LE(0));
  const header = bytes.toString("utf8", 8, dataAt);
  const renamed = header.replaceAll('"model.', '"model.language_model.').replaceAll('"visual.', '"model.visual.');
  expect(renamed).toContain('"model.language_model.layers.1.mlp.up_proj.weight"');
  expect(renamed).toContain('"model.visual.blocks.1.norm1.weight"');
  const text = Buffer.from(renamed.padEnd(Math.ceil(renamed.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(join(dir, weightsFile), Buffer.concat([length, text, bytes.subarray(dataAt)]));
  expect(await worstError(dir)).toBe(0);
});

test("a flat configuration, as older transformers wrote it", async () => {
  const dir = copyOfFixture();
  const { text_config: text, ...rest } = JSON.parse(readFileSync(join(dir, "config.json"), "utf8")) as {
    text_config: object;
  };
  writeFileSync(join(dir, "config.json"), JSON.stringify({ ...text, ...rest }));
  expect(await worstError(dir)).toBe(0);
});

// bfloat16 keeps 8 bits of a number, float16 11; below 6e-5 float16 keeps steps of 6e-8.
test.each([
  ["float32", 1e9, 0, 1e-30],
  ["float32", 20_000, 0, 1e-30],
  ["bfloat16", 1e9, 2 ** -8 + 1e-9, 1e-30],
  ["bfloat16", 20_000, 2 ** -8 + 1e-9, 1e-30],
  ["float16", 20_000, 2 ** -11 + 1e-9, 2 ** -14],
] as const)("%s in shards of %i bytes", async (dtype, maxShardBytes, bound, floor) => {
  const dir = join(tempFolder(), "saved");
  const policy = await Policy.open(fixture);
  await policy.save(dir, { dtype, maxShardBytes });
  policy[Symbol.dispose]();
  const error = await worstError(dir, floor);
  expect(error).toBeLessThanOrEqual(bound);
  expect(error > 0).toBe(dtype !== "float32");
});
