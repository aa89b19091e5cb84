import { randomBytes } from "node:crypto";
import { lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { openDataset } from "../../lib/data/dataset.ts";
import { downloadDataset, resolveModelFolder } from "../../lib/data/hub.ts";
import type { HubProgress } from "../../lib/data/hub.ts";
import { hubSettings } from "../../lib/data/hub-settings.ts";
import { CheckpointError, ConfigError, DataError } from "../../lib/errors.ts";
import { commit, startHub } from "./hub-server.ts";
import type { HubServer } from "./hub-server.ts";
import { jsonLines, tempFolder, tinyPng } from "./temp.ts";

const weights = randomBytes(300_007);
const model = {
  "config.json": Buffer.from('{"a":1}'),
  "tokenizer.json": randomBytes(5000),
  "chat_template.jinja": Buffer.from("x"),
  "model-00001-of-00002.safetensors": weights,
  "model-00002-of-00002.safetensors": Buffer.alloc(0),
  "pytorch_model.bin": randomBytes(200),
  "README.md": Buffer.from("read me"),
  "onnx/config.json": Buffer.from("{}"),
};
const rows = jsonLines([{ problem: "<image>p", answer: "1", images: ["../pictures/a.png"] }]);
const repos = {
  "org/model": model,
  "org/bin-only": { "config.json": Buffer.from("{}"), "pytorch_model.bin": Buffer.from("x") },
  "datasets/org/set": {
    "train.jsonl": Buffer.from(jsonLines([{ problem: "<image>p", answer: "1", images: ["pictures/a.png"] }])),
    "test.jsonl": Buffer.from(rows),
    "pictures/a.png": tinyPng,
    "extra.zip": Buffer.from("x"),
  },
};

async function setUp(more: Record<string, string> = {}) {
  const hub = await startHub(repos);
  const home = tempFolder();
  const env = { HF_ENDPOINT: `${hub.endpoint}/`, HF_HOME: home, ...more };
  return { hub, home, env, repoFolder: join(home, "hub", "models--org--model") };
}

const downloads = (hub: HubServer) => hub.requests.filter((request) => request.includes("/resolve/"));

test("a model's needed files come into the shared cache's layout, checked and linked", async () => {
  const { hub, env, repoFolder } = await setUp();
  const seen: HubProgress[] = [];
  const log = vi.spyOn(console, "debug");
  const folder = await resolveModelFolder("org/model", { env, onProgress: (progress) => seen.push(progress) });
  expect(folder).toBe(join(repoFolder, "snapshots", commit));
  expect(readdirSync(folder).sort()).toEqual(Object.keys(model).filter((name) => !/bin|README|onnx/.test(name)).sort()); // prettier-ignore
  for (const name of readdirSync(folder)) {
    expect(readFileSync(join(folder, name))).toEqual(model[name as keyof typeof model]);
    expect(lstatSync(join(folder, name)).isSymbolicLink()).toBe(true);
    expect(readlinkSync(join(folder, name))).toMatch(/^\.\.\/\.\.\/blobs\/([0-9a-f]{40}|[0-9a-f]{64})$/);
  }
  expect(readFileSync(join(repoFolder, "refs", "main"), "utf8")).toBe(commit);
  expect(seen.at(-1)).toMatchObject({ doneBytes: seen.at(-1)?.totalBytes });
  expect(seen.map(({ doneBytes }) => doneBytes)).toEqual(
    seen.map(({ doneBytes }) => doneBytes).toSorted((a, b) => a - b),
  );
  expect(log).not.toHaveBeenCalled();
  const before = downloads(hub).length;
  expect(await resolveModelFolder("org/model@main", { env })).toBe(folder);
  expect(downloads(hub).length).toBe(before);
});

test("a folder is its own model folder", async () => {
  const folder = tempFolder();
  expect(await resolveModelFolder(folder)).toBe(folder);
  await expect(resolveModelFolder("./not-there")).rejects.toThrow("no such folder, and not a hub id");
});

test("a broken connection is taken up where it broke", async () => {
  const { hub, env } = await setUp();
  hub.behaviour.cuts = 2;
  const folder = await resolveModelFolder("org/model", { env });
  expect(readFileSync(join(folder, "model-00001-of-00002.safetensors"))).toEqual(weights);
  expect(hub.requests.filter((request) => /bytes=[1-9]/.test(request)).length).toBeGreaterThan(0);
});

test("an interrupted download goes on from its incomplete file", async () => {
  const { hub, env, repoFolder } = await setUp();
  const folder = await resolveModelFolder("org/model", { env });
  const shard = join(folder, "model-00001-of-00002.safetensors");
  const blob = join(folder, readlinkSync(shard));
  const other = tempFolder();
  mkdirSync(join(other, "hub", "models--org--model", "blobs"), { recursive: true });
  const partial = join(other, "hub", "models--org--model", "blobs", `${blob.split("/").at(-1)}.incomplete`);
  writeFileSync(partial, weights.subarray(0, 100_000));
  const again = await resolveModelFolder("org/model", { env: { ...env, HF_HOME: other } });
  expect(hub.requests.some((request) => request.includes("bytes=100000-300006"))).toBe(true);
  expect(readFileSync(join(again, "model-00001-of-00002.safetensors"))).toEqual(weights);
  expect(readdirSync(join(repoFolder, "blobs")).filter((name) => name.includes("incomplete"))).toEqual([]);
});

test("bytes other than those announced are refused and not kept", async () => {
  const { hub, env, repoFolder } = await setUp();
  hub.behaviour.corrupt = true;
  await expect(resolveModelFolder("org/model", { env })).rejects.toThrow(/expected \d+ bytes with hash [0-9a-f]+, got/);
  expect(readdirSync(join(repoFolder, "blobs"))).toEqual([]);
});

test.each(["../../evil.png", "/evil.png", "a\\..\\evil.png", "C:evil.png", "a//evil.png"])(
  "a listed file name that could leave the cache is refused: %s",
  async (name) => {
    const { hub, env } = await setUp();
    hub.behaviour.renamed = { "pictures/a.png": name };
    const failed = downloadDataset("org/set", "train", { env });
    await expect(failed).rejects.toThrow(DataError);
    await expect(failed).rejects.toThrow("not a file name inside a repository");
  },
);

test("offline, the cache is used and what it lacks is said", async () => {
  const { hub, env } = await setUp();
  const folder = await resolveModelFolder("org/model", { env });
  const numRequests = hub.requests.length;
  const offline = { ...env, HF_HUB_OFFLINE: "1" };
  expect(await resolveModelFolder("org/model", { env: offline })).toBe(folder);
  expect(await resolveModelFolder(`org/model@${commit}`, { env: offline })).toBe(folder);
  await expect(resolveModelFolder("org/model@other", { env: offline })).rejects.toThrow("HF_HUB_OFFLINE is set, and revision other is not in the cache"); // prettier-ignore
  await expect(downloadDataset("org/set", "train", { env: offline })).rejects.toThrow(DataError);
  expect(hub.requests.length).toBe(numRequests);
});

test("an unreachable hub falls back to the cache", async () => {
  const { hub, env } = await setUp();
  const folder = await resolveModelFolder("org/model", { env });
  await hub.close();
  expect(await resolveModelFolder("org/model", { env })).toBe(folder);
  await expect(downloadDataset("org/set", "train", { env })).rejects.toThrow(/cannot be reached \(ECONNREFUSED\)/);
});

test("the token is sent, and what is missing is said when it is refused", async () => {
  const { hub, env } = await setUp();
  hub.behaviour.token = "hf_secret";
  await expect(resolveModelFolder("org/model", { env })).rejects.toThrow("check its name, or set HF_TOKEN");
  await expect(resolveModelFolder("org/model", { env: { ...env, HF_TOKEN: "hf_other" } })).rejects.toThrow("the token in use may not read it"); // prettier-ignore
  await resolveModelFolder("org/model", { env: { ...env, HF_TOKEN: "hf_secret" } });
});

test.each([
  [403, /gated: accept its conditions at http:.*\/org\/model/],
  [404, /has no such model or revision main/],
  [500, /answered with status 500/],
])("status %i is a CheckpointError that says what to do", async (status, message) => {
  const { hub, env } = await setUp();
  hub.behaviour.status = status;
  const failed = resolveModelFolder("org/model", { env });
  await expect(failed).rejects.toThrow(CheckpointError);
  await expect(failed).rejects.toThrow(message);
});

test("repositories without what is needed, and impossible revisions, are refused", async () => {
  const { env } = await setUp();
  await expect(resolveModelFolder("org/bin-only", { env })).rejects.toThrow("it has no model*.safetensors");
  await expect(downloadDataset("org/set", "validation", { env })).rejects.toThrow(
    "no files of the split validation, only of",
  );
  await expect(resolveModelFolder("org/model@../../x", { env })).rejects.toThrow("expected a branch, tag or commit");
  await expect(resolveModelFolder("org/nothing", { env })).rejects.toThrow("has no such model");
});

test("an abort stops a download", async () => {
  const { env } = await setUp();
  const stop = new AbortController();
  const onProgress = () => {
    stop.abort();
  };
  await expect(resolveModelFolder("org/model", { env, signal: stop.signal, onProgress })).rejects.toThrow(/abort/i);
});

test("a hub data set is opened by id, its linked pictures are read and paths outside it refused", async () => {
  const { hub, env, home } = await setUp();
  const dataset = await openDataset("org/set", { hub: { env } });
  expect(dataset.length).toBe(1);
  const [image] = (await dataset.read(0)).images;
  expect(image && "path" in image ? readFileSync(image.path) : undefined).toEqual(tinyPng);
  expect(downloads(hub).some((request) => /test\.jsonl|zip/.test(request))).toBe(false);
  const test = await openDataset("org/set@test", { hub: { env } });
  await expect(test.read(0)).rejects.toThrow("expected a picture inside");
  expect(readdirSync(join(home, "hub"))).toEqual(["datasets--org--set"]);
});

test("the settings are those of the Hugging Face tools", async () => {
  const base = { HF_TOKEN_PATH: "/nowhere" };
  expect(await hubSettings(base)).toEqual({
    endpoint: "https://huggingface.co",
    token: undefined,
    cacheDir: join(homedir(), ".cache", "huggingface", "hub"),
    offline: false,
  });
  expect((await hubSettings({ ...base, XDG_CACHE_HOME: "/x" })).cacheDir).toBe("/x/huggingface/hub");
  expect((await hubSettings({ ...base, XDG_CACHE_HOME: "/x", HF_HOME: "~/h" })).cacheDir).toBe(
    join(homedir(), "h/hub"),
  );
  expect((await hubSettings({ ...base, HF_HOME: "/h", HF_HUB_CACHE: "/c" })).cacheDir).toBe("/c");
  for (const value of ["1", "ON", "yes", "True"])
    expect((await hubSettings({ ...base, HF_HUB_OFFLINE: value })).offline).toBe(true);
  for (const value of ["0", "", "no"])
    expect((await hubSettings({ ...base, HF_HUB_OFFLINE: value })).offline).toBe(false);
  const home = tempFolder({ token: "hf_file\n" });
  expect((await hubSettings({ HF_HOME: home })).token).toBe("hf_file");
  expect((await hubSettings({ HF_HOME: home, HF_TOKEN: "hf_env" })).token).toBe("hf_env");
  await expect(hubSettings({ HF_TOKEN: "secret" })).rejects.toThrow(ConfigError);
  await expect(hubSettings({ HF_TOKEN: "secret" })).rejects.not.toThrow("secret");
  await expect(hubSettings({ ...base, HF_ENDPOINT: "hub.example" })).rejects.toThrow(
    "expected an http or https address",
  );
});
