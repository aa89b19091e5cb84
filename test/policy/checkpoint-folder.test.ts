import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CheckpointError } from "../../lib/errors.ts";
import { planLoad, planSave } from "../../lib/policy/checkpoint-folder.ts";
import type { TensorShape } from "../../lib/policy/checkpoint-folder.ts";
import { layoutTensors } from "../../lib/policy/safetensors-layout.ts";
import { readHeader } from "../../lib/policy/safetensors.ts";
import type { TensorSpec } from "../../lib/policy/safetensors.ts";
import { dataFolder } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";

const expected: TensorShape[] = [
  { name: "model.embed_tokens.weight", shape: [111, 7] },
  { name: "model.layers.0.mlp.up_proj.weight", shape: [37, 7] },
  { name: "model.norm.weight", shape: [7] },
  { name: "visual.patch_embed.proj.weight", shape: [7, 3, 2, 14, 14] },
];
const head: TensorShape = { name: "lm_head.weight", shape: [111, 7] };
const newer: Record<string, string> = {
  "model.embed_tokens.weight": "model.language_model.embed_tokens.weight",
  "model.layers.0.mlp.up_proj.weight": "model.language_model.layers.0.mlp.up_proj.weight",
  "model.norm.weight": "model.language_model.norm.weight",
  "visual.patch_embed.proj.weight": "model.visual.patch_embed.proj.weight",
};

/** A file with its header and zeros for tensors. */
function writeTensors(file: string, specs: readonly TensorSpec[]): void {
  const { header, fileBytes } = layoutTensors(specs);
  writeFileSync(file, Buffer.concat([header, Buffer.alloc(fileBytes - header.length)]));
}

function writeSingle(dir: string, tensors: readonly TensorShape[], dtype: TensorSpec["dtype"] = "BF16"): void {
  writeTensors(
    join(dir, "model.safetensors"),
    tensors.map((tensor) => ({ ...tensor, dtype })),
  );
}

/** What planSave lays out, with zeros for tensors. */
function writePlan(plan: ReturnType<typeof planSave>): void {
  for (const { path, header, fileBytes } of plan.files) {
    writeFileSync(path, Buffer.concat([header, Buffer.alloc(fileBytes - header.length)]));
  }
  if (plan.index) writeFileSync(plan.index.path, plan.index.text);
}

test("both namings load under the published names", async () => {
  for (const rename of [(name: string) => name, (name: string) => newer[name] ?? name]) {
    const dir = tempFolder();
    writeSingle(
      dir,
      expected.map(({ name, shape }) => ({ name: rename(name), shape })),
    );
    const plan = await planLoad(dir, expected);
    const entries = plan.files.flatMap((file) => file.entries);
    expect(entries.map(({ name }) => name)).toEqual(expected.map(({ name }) => name));
    // (111 * 7 + 37 * 7 + 7 + 7 * 3 * 2 * 14 * 14) * 2
    expect(plan.totalBytes).toBe(18550);
    expect(entries.at(-1)?.byteOffset).toBe((plan.files[0]?.fileBytes ?? 0) - 16464);
  }
});

test("a tied model ignores a stored head and an untied one needs it", async () => {
  const dir = tempFolder();
  writeSingle(dir, [...expected, head]);
  const tied = await planLoad(dir, expected);
  expect(tied.files[0]?.entries.map(({ name }) => name)).not.toContain(head.name);
  const untied = await planLoad(dir, [...expected, head]);
  expect(untied.files[0]?.entries.map(({ name }) => name)).toContain(head.name);
  writeSingle(dir, expected);
  await expect(planLoad(dir, [...expected, head])).rejects.toThrow(/1 missing: lm_head.weight/);
});

test("one error names every missing, extra, mis-shaped and mis-typed tensor", async () => {
  const dir = tempFolder();
  writeTensors(join(dir, "model.safetensors"), [
    { name: "model.embed_tokens.weight", dtype: "F32", shape: [7, 111] },
    { name: "model.norm.weight", dtype: "I32", shape: [7] },
    { name: "model.language_model.norm.weight", dtype: "F32", shape: [7] },
    { name: "visual.patch_embed.proj.weight", dtype: "F16", shape: [7, 3, 2, 14, 14] },
    { name: "visual.other", dtype: "F16", shape: [1] },
  ]);
  const error: unknown = await planLoad(dir, expected).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(CheckpointError);
  const { message } = error as CheckpointError;
  expect(message).toContain("1 missing: model.layers.0.mlp.up_proj.weight");
  expect(message).toContain("1 extra: visual.other");
  expect(message).toContain("1 of another shape: model.embed_tokens.weight [7, 111] instead of [111, 7]");
  expect(message).toContain("1 not F32, BF16, F16: model.norm.weight I32");
  expect(message).toContain("1 there twice: model.norm.weight");
});

test("a long list of wrong tensors is named to its end", async () => {
  const dir = tempFolder();
  writeSingle(dir, expected);
  const many = Array.from({ length: 37 }, (_, index) => ({ name: `model.layers.${index + 1}.x`, shape: [1] }));
  await expect(planLoad(dir, [...expected, ...many])).rejects.toThrow(
    `37 missing: ${many.map(({ name }) => name).join(", ")}`,
  );
});

test("a saved plan loads again as the same tensors, in one file and in shards", async () => {
  for (const maxShardBytes of [1e9, 4000]) {
    const dir = tempFolder();
    const saved = planSave(dir, expected, "float32", maxShardBytes);
    writePlan(saved);
    const loaded = await planLoad(dir, expected);
    expect(loaded.totalBytes).toBe(saved.totalBytes);
    expect(loaded.files.map(({ path, entries, fileBytes }) => ({ path, entries, fileBytes }))).toEqual(
      saved.files.map(({ path, entries, fileBytes }) => ({ path, entries, fileBytes })),
    );
    for (const { path } of saved.files) expect((await readHeader(path)).metadata.get("format")).toBe("pt");
    expect(saved.index === undefined).toBe(saved.files.length === 1);
  }
});

test("weights of the real 3B's size are planned into two shards and found again", async () => {
  const [hidden, inner, kv, vocab] = [2048, 11008, 256, 151936];
  const layer = (index: number): TensorShape[] =>
    [
      ["self_attn.q_proj.weight", [hidden, hidden]],
      ["self_attn.k_proj.weight", [kv, hidden]],
      ["self_attn.v_proj.weight", [kv, hidden]],
      ["self_attn.o_proj.weight", [hidden, hidden]],
      ["mlp.gate_proj.weight", [inner, hidden]],
      ["mlp.up_proj.weight", [inner, hidden]],
      ["mlp.down_proj.weight", [hidden, inner]],
    ].map(([name, shape]) => ({ name: `model.layers.${index}.${name as string}`, shape: shape as number[] }));
  const layers = Array.from({ length: 36 }, (_, index) => layer(index)).flat();
  const tensors = [{ name: "model.embed_tokens.weight", shape: [vocab, hidden] }, ...layers];
  const dir = tempFolder();
  const saved = planSave(dir, tensors, "bfloat16");
  // 2 * (151936 * 2048 + 36 * (2 * 2048 * 2048 + 2 * 256 * 2048 + 3 * 11008 * 2048))
  expect(saved.totalBytes).toBe(6_171_394_048);
  expect(saved.files.length).toBe(2);
  for (const { path, header, fileBytes } of saved.files) {
    writeFileSync(path, header);
    truncateSync(path, fileBytes); // sparse: no gigabytes are written
  }
  writeFileSync(saved.index?.path ?? "", saved.index?.text ?? "");
  const loaded = await planLoad(dir, tensors);
  expect(loaded.files.map(({ entries }) => entries)).toEqual(saved.files.map(({ entries }) => entries));
  expect(loaded.files[0]?.entries.at(-1)?.byteOffset).toBeGreaterThan(2 ** 32);
});

test("an index tells the total size and the file of each tensor", () => {
  const plan = planSave("DIR", expected, "bfloat16", 2100);
  // bytes: 1554 + 518 + 14 = 2086 fit together; 16464 get a file of their own
  expect(JSON.parse(plan.index?.text ?? "")).toEqual({
    metadata: { total_size: 18550 },
    weight_map: {
      "model.embed_tokens.weight": "model-00001-of-00002.safetensors",
      "model.layers.0.mlp.up_proj.weight": "model-00001-of-00002.safetensors",
      "model.norm.weight": "model-00001-of-00002.safetensors",
      "visual.patch_embed.proj.weight": "model-00002-of-00002.safetensors",
    },
  });
});

test("an index that leaves the folder, lies, is empty or misses shards gives a CheckpointError", async () => {
  const dir = tempFolder();
  writePlan(planSave(dir, expected, "float32", 4000));
  const index = join(dir, "model.safetensors.index.json");
  const original = readFileSync(index, "utf8");
  for (const [text, rule] of [
    [original.replace("model-00001-of", "../model-00001-of"), /expected a .safetensors file name in this folder/],
    [original.replace("model-00001-of-00003.safetensors", "/etc/x.safetensors"), /in this folder, got "\/etc/],
    [original.replace("model.norm.weight", "model.other"), /1 not in the file that .* names: model.other/],
    [original.replaceAll("-of-00003", "-of-00009"), /names 3 files: 3 missing: model-00001-of-00009/],
    ['{"weight_map": {}}', /expected tensors, got none/],
    ['{"weight_map": 3}', /weight_map: expected an object/],
  ] as const) {
    writeFileSync(index, text);
    await expect(planLoad(dir, expected)).rejects.toThrow(rule);
    await expect(planLoad(dir, expected)).rejects.toBeInstanceOf(CheckpointError);
  }
});

test("a folder without weights says what is missing and what cannot be read", async () => {
  const dir = tempFolder();
  await expect(planLoad(join(dir, "none"), expected)).rejects.toThrow(/no such folder/);
  await expect(planLoad(dir, expected)).rejects.toThrow(/expected model.safetensors or .*index.json, got neither$/);
  mkdirSync(join(dir, "sub"));
  writeFileSync(join(dir, "pytorch_model.bin"), "");
  await expect(planLoad(dir, expected)).rejects.toThrow(/pytorch_model.bin cannot be read/);
});

test("the checkpoints at hand load under their own shapes and lose one tensor by name", async () => {
  const fixtures = dataFolder("../fixtures");
  if (fixtures === undefined) return;
  for (const name of readdirSync(fixtures)) {
    const source = join(fixtures, name, "model.safetensors");
    if (!existsSync(source)) continue;
    const shapes = [...(await readHeader(source)).tensors.values()];
    const dir = tempFolder();
    cpSync(source, join(dir, "copy"));
    renameSync(join(dir, "copy"), join(dir, "model.safetensors"));
    const plan = await planLoad(dir, shapes);
    expect(plan.files[0]?.entries.length).toBe(shapes.length);
    const lost = shapes[37 % shapes.length]?.name ?? "";
    await expect(
      planLoad(
        dir,
        shapes.filter((shape) => shape.name !== lost),
      ),
    ).rejects.toThrow(`1 extra: ${lost}`);
    rmSync(dir, { recursive: true, force: true });
  }
});
