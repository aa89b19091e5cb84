import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CheckpointError } from "../../lib/errors.ts";
import { packageRoot } from "../../lib/native/load.ts";
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
