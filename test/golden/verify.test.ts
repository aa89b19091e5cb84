import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { CheckpointError } from "../../lib/errors.ts";
import { packageRoot } from "../../lib/native/load.ts";
import { readHeader } from "../../lib/policy/safetensors.ts";
import { verify } from "../../lib/policy/verify.ts";

const shipped = join(packageRoot, "lib", "policy", "fixture");

test("the shipped fixture agrees with transformers in float32", async () => {
  const result = await verify(shipped);
  expect(result).toMatchObject({ ok: true, position_ids_equal: true, greedy_equal: true });
});

test("bfloat16 stays near transformers' float32 values", async () => {
  const result = await verify(shipped, "bfloat16");
  expect(result.ok).toBe(true);
  expect(result.max_abs_logits).toBeGreaterThan(1e-4); // it really ran in bfloat16
});

test("a folder without golden values is refused by name", async () => {
  await expect(verify(packageRoot)).rejects.toThrow(CheckpointError);
});

describe("a fixture that was tampered with", () => {
  let dir = "";
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "papo-verify-"));
  });
  afterAll(async () => {
    await rm(dir, { recursive: true });
  });

  // The order of the two halves is what rotary embedding is about; a swap of two rows of one matrix changes logits
  // and the direction of the gradient.
  test("fails when one weight is changed", async () => {
    await cp(shipped, dir, { recursive: true, force: true });
    const file = join(dir, "model.safetensors");
    const bytes = await readFile(file);
    bytes.writeFloatLE(bytes.readFloatLE(bytes.length - 4) + 0.1, bytes.length - 4);
    await writeFile(file, bytes);
    expect((await verify(dir)).ok).toBe(false);
  });

  test("fails when a gradient probe has the other sign", async () => {
    await cp(shipped, dir, { recursive: true, force: true });
    const file = join(dir, "golden.json");
    const golden = JSON.parse(await readFile(file, "utf8")) as Record<string, Record<string, number>>;
    const probes = golden.grad_probe_case0 ?? {};
    const [name = "", value = 0] = Object.entries(probes).find(([key]) => key.includes("visual")) ?? [];
    probes[name] = -value;
    await writeFile(file, JSON.stringify(golden));
    const result = await verify(dir);
    expect(result.ok).toBe(false);
    expect(result.max_rel_grad_norm).toBeLessThan(1e-4);
  });
});

type Json = Record<string, unknown>;

/** A copy of the shipped fixture with golden.json changed. */
async function withGolden(change: (golden: Json) => Json): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), "papo-verify-golden-"));
  onTestFinished(() => rm(copy, { recursive: true }));
  await cp(shipped, copy, { recursive: true });
  const file = join(copy, "golden.json");
  const golden = JSON.parse(await readFile(file, "utf8")) as Json;
  await writeFile(file, JSON.stringify(change(golden)));
  return copy;
}

/** Changes the header of golden.safetensors; the bytes of the tensors stay. */
async function withHeader(change: (text: string) => string): Promise<string> {
  const copy = await withGolden((golden) => golden);
  const file = join(copy, "golden.safetensors");
  const bytes = await readFile(file);
  const end = 8 + Number(bytes.readBigUInt64LE());
  const header = Buffer.from(change(bytes.toString("utf8", 8, end)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  await writeFile(file, Buffer.concat([length, header, bytes.subarray(end)]));
  return copy;
}

describe("the bounds in bfloat16", () => {
  const without = (golden: Json, key: string) => Object.fromEntries(Object.entries(golden).filter(([k]) => k !== key));

  test("are twice the errors that the folder says", async () => {
    const theirs = (golden: Json) => golden.bfloat16 as Record<string, number>;
    const tight = await withGolden((golden) => ({ ...golden, bfloat16: { ...theirs(golden), logits: 1e-5 } }));
    expect((await verify(tight, "bfloat16")).ok).toBe(false);
    expect((await verify(tight)).ok).toBe(true); // they are no bounds in float32
  });

  test("are usual shares of the golden values where the folder says nothing", async () => {
    const silent = await withGolden((golden) => without(golden, "bfloat16"));
    expect((await verify(silent, "bfloat16")).ok).toBe(true);
  });

  // The usual shares are the largest over presets and seeds, looser than this folder's own errors.
  test.each([
    [1.02, true],
    [1.05, false],
  ])("catch one norm weight scaled by %d (errors in the folder: %s)", async (factor, said) => {
    const copy = await withGolden((golden) => (said ? golden : without(golden, "bfloat16")));
    await scaleTensor(join(copy, "model.safetensors"), "visual.merger.ln_q.weight", factor);
    expect((await verify(copy, "bfloat16")).ok).toBe(false);
  });
});

async function scaleTensor(file: string, name: string, factor: number): Promise<void> {
  const tensors = [...(await readHeader(file)).tensors.values()];
  const entry = tensors.find((tensor) => tensor.name.endsWith(name));
  if (!entry) throw new Error(`no ${name}`);
  const bytes = await readFile(file);
  for (let at = entry.byteOffset; at < entry.byteOffset + entry.numBytes; at += 4) {
    bytes.writeFloatLE(bytes.readFloatLE(at) * factor, at);
  }
  await writeFile(file, bytes);
}

describe("a broken fixture is refused with the file and what is wrong", () => {
  const prompt = (value: unknown) => (golden: Json) => {
    const [first, ...others] = golden.cases as Json[];
    return { ...golden, cases: [{ ...first, n_prompt: value }, ...others] };
  };
  const dropped = (key: string) => (golden: Json) => ({ ...golden, [key]: undefined });

  // The first case has 38 ids.
  test.each<[string, (golden: Json) => Json, RegExp]>([
    ["no keys", () => ({}), /golden\.json: cases: /],
    ["no cases", (golden) => ({ ...golden, cases: [] }), /golden\.json: cases: .*>=1/],
    ["no norms", dropped("grad_norm_case0"), /golden\.json: grad_norm_case0: /],
    ["no probes", dropped("grad_probe_case0"), /golden\.json: grad_probe_case0: /],
    ["a norm in words", (golden) => ({ ...golden, grad_norm_case1: { a: "1" } }), /golden\.json: grad_norm_case1\.a: /],
    ["an empty prompt", prompt(0), /golden\.json: cases\.0\.n_prompt: /],
    ["an empty response", prompt(38), /golden\.json: cases\.0\.n_prompt: expected less than the 38 of .*, got 38/],
    ["half a token", prompt(1.5), /golden\.json: cases\.0\.n_prompt: /],
    ["a prompt within the picture", prompt(9), /case0\.input_ids: expected 6 image tokens, all in the prompt/],
    [
      "another response",
      prompt(26),
      /golden\.safetensors: case0\.(logprobs|entropy): expected F32 \[12\], got F32 \[11\]/,
    ],
    ["negative errors", (golden) => ({ ...golden, bfloat16: { logits: -1 } }), /golden\.json: bfloat16\./],
  ])("%s", async (_, change, text) => {
    const error: unknown = await verify(await withGolden(change)).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(CheckpointError);
    expect((error as Error).message).toMatch(text);
  });

  const reshaped = (name: string, shape: string) => (text: string) =>
    text.replace(new RegExp(`("case0\\.${name}":\\{[^}]*"shape":)\\[[^\\]]*\\]`), `$1${shape}`);

  // Of as many values as before: [38, 96], [3, 38], [6, 32], [24, 1176], [1, 3].
  test.each<[string, string]>([
    ["logits", "[96,38]"],
    ["position_ids", "[38,3]"],
    ["image_embeds", "[32,6]"],
    ["pixel_values", "[1176,24]"],
    ["pixel_values_pil", "[28224]"],
    ["image_grid_thw", "[3]"],
    ["input_ids", "[2,19]"],
    ["logprobs", "[11,1]"],
    ["entropy", "[1,11]"],
    ["greedy", "[4,6]"],
  ])("%s of shape %s", async (name, shape) => {
    const error: unknown = await verify(await withHeader(reshaped(name, shape))).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(CheckpointError);
    expect((error as Error).message).toMatch(new RegExp(`golden\\.safetensors: case0\\.${name}: expected`));
  });

  test("a tensor that is not there", async () => {
    const copy = await withHeader((text) => text.replace('"case0.entropy"', '"case0.entropx"'));
    await expect(verify(copy)).rejects.toThrow(/golden\.safetensors: no case0\.entropy/);
  });

  /** Writes int64 values over the start of a tensor. */
  async function withIntegers(name: string, values: readonly bigint[]): Promise<string> {
    const copy = await withGolden((golden) => golden);
    const file = join(copy, "golden.safetensors");
    const at = (await readHeader(file)).tensors.get(name)?.byteOffset ?? 0;
    const bytes = await readFile(file);
    for (const [i, value] of values.entries()) bytes.writeBigInt64LE(value, at + 8 * i);
    await writeFile(file, bytes);
    return copy;
  }

  test("an id past the vocabulary", async () => {
    const copy = await withIntegers("case0.input_ids", [96n]);
    await expect(verify(copy)).rejects.toThrow(/case0\.input_ids: expected ids in \[0, 96\), got 96/);
  });

  test("the grid of another picture", async () => {
    const copy = await withIntegers("case0.image_grid_thw", [1n, 4n, 6n]); // 56 x 84 pixels are 6 rows of 4
    await expect(verify(copy)).rejects.toThrow(/case0\.image_grid_thw: expected .*\[1, 6, 4\], got \[1, 4, 6\]/);
  });
});
