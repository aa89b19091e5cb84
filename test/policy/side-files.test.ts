import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { copySideFiles, writeConfig } from "../../lib/policy/side-files.ts";
import { tempFolder } from "../support/temp.ts";

const readJson = (file: string): unknown => JSON.parse(readFileSync(file, "utf8"));

test("known side files are copied, weights and unknown files are not", async () => {
  const [from, to] = [tempFolder(), tempFolder()];
  for (const file of ["tokenizer.json", "chat_template.jinja", "model.safetensors", "secret.txt"]) {
    writeFileSync(join(from, file), file);
  }
  await copySideFiles(from, to);
  expect(readdirSync(to).sort()).toEqual(["chat_template.jinja", "tokenizer.json"]);
});

test("the written dtype replaces the source's at every level under the key that is there", async () => {
  const to = tempFolder();
  const raw = {
    torch_dtype: "float32",
    list: [{ dtype: "x" }],
    text_config: { dtype: "float32", n: null },
    vision_config: {},
  };
  await writeConfig(to, raw, "bfloat16");
  expect(readJson(join(to, "config.json"))).toEqual({
    ...raw,
    torch_dtype: "bfloat16",
    text_config: { dtype: "bfloat16", n: null },
  });
});

test("a configuration without a dtype gets one", async () => {
  const to = tempFolder();
  await writeConfig(to, { a: 1 }, "bfloat16");
  expect(readJson(join(to, "config.json"))).toEqual({ a: 1, dtype: "bfloat16" });
});

test("a target that cannot be written passes the system's error on", async () => {
  const dir = tempFolder();
  await expect(writeConfig(join(dir, "absent"), {}, "float32")).rejects.toThrow(/ENOENT/);
  expect(existsSync(join(dir, "absent"))).toBe(false);
});
