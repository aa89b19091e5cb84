// What Policy.open and Policy.save do when files are not as they should be.
import { cpSync, existsSync, lstatSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packageRoot } from "../../lib/native/load.ts";
import { Policy } from "../../lib/policy/policy.ts";
import { tempFolder } from "../support/temp.ts";

const fixture = join(packageRoot, "lib", "policy", "fixture");

test("headers are compared with the model before the model has any memory", async () => {
  const dir = tempFolder();
  cpSync(fixture, dir, { recursive: true });
  // 1,024 layers of three matrices of 131,072 x 32 are 48 GiB.
  const config = readFileSync(join(dir, "config.json"), "utf8")
    .replace('"num_hidden_layers": 2', '"num_hidden_layers": 1024')
    .replace('"intermediate_size": 48', '"intermediate_size": 131072')
    .replace(/"layer_types": .*,/u, "");
  writeFileSync(join(dir, "config.json"), config);
  const error: unknown = await Policy.open(dir).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ name: "CheckpointError" });
  expect(String(error)).toContain("model.layers.1.mlp.down_proj.weight [32, 48] instead of [32, 131072]");
  expect(String(error)).toContain("model.layers.1023.mlp.up_proj.weight"); // missing, the last of thousands
  rmSync(join(dir, "model.safetensors"));
  await expect(Policy.open(dir)).rejects.toMatchObject({ name: "CheckpointError" });
});

test("a file that cannot be written is a CheckpointError and leaves nothing, one that is there stays", async () => {
  const policy = await Policy.open(fixture);
  const dir = tempFolder();
  const file = join(dir, "model.safetensors");
  symlinkSync(join(dir, "nowhere", "model"), file);
  await expect(policy.save(dir)).rejects.toMatchObject({ name: "CheckpointError", dir });
  expect(lstatSync(file, { throwIfNoEntry: false })).toBeUndefined();
  await policy.save(dir);
  const before = readFileSync(file);
  await expect(policy.save(dir)).rejects.toThrow("expected no model.safetensors, got one");
  expect(existsSync(file) && readFileSync(file).equals(before)).toBe(true);
  policy[Symbol.dispose]();
});
