import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runPapo } from "../support/processes.ts";
import { sendJson, startChatService, wellBehaved } from "../eval/chat-service.ts";
import { freshPath, jsonLines, makeWorld, removeWorld, startPapo, type World } from "./world.ts";

let world: World;
let file: string;
beforeAll(async () => {
  world = await makeWorld();
  file = join(world.dir, "mine.yaml");
  const scene = "miniature: {count: 5, rows: 2, columns: 2";
  writeFileSync(file, `benchmarks:\n  plain: {${scene}}, group: vision-dependent}\n  hinted: {${scene}, hintShare: 1}, rows: 5}\n`); // prettier-ignore
});
afterAll(() => {
  removeWorld(world);
});

const words = (out: string, ...more: string[]) =>
  ["eval", "--model", world.model, "--benchmarks", file, "--out", out, "--n", "2", "--max-tokens", "200", "--batch", "1", ...more]; // prettier-ignore
const itemsOf = (out: string, id: string) => join(out, id, "items.jsonl");
const idsOf = (out: string, id: string) => jsonLines(itemsOf(out, id)).map((item) => item.id);

test("an evaluation that was killed twice ends with the same files, nothing repeated or lost", async () => {
  const whole = freshPath(world, "whole");
  const run = runPapo(words(whole));
  expect(run.status).toBe(0);
  expect(run.stderr).toMatch(/^papo: settings that differ from training's, the published recipes/u);
  expect(run.stdout).toBe(readFileSync(join(whole, "summary.md"), "utf8"));
  expect(run.stdout).toContain("| hinted | general | 5 of 5 |");
  const out = freshPath(world, "killed");
  for (const [id, numLines] of [
    ["plain", 2],
    ["hinted", 1],
  ] as const) {
    // prettier-ignore
    const papo = startPapo(words(out));
    await papo.until(() => existsSync(itemsOf(out, id)) && jsonLines(itemsOf(out, id)).length >= numLines);
    papo.child.kill("SIGKILL");
    await papo.ended;
  }
  expect(idsOf(out, "hinted").length).toBeLessThan(5);
  expect(runPapo(words(out)).status).toBe(0);
  for (const id of ["plain", "hinted"])
    for (const name of ["items.jsonl", "settings.json", "summary.json"])
      expect(readFileSync(join(out, id, name), "utf8"), name).toBe(readFileSync(join(whole, id, name), "utf8"));
  expect(readFileSync(join(out, "summary.json"))).toEqual(readFileSync(join(whole, "summary.json")));
  const compared = runPapo(["compare", whole, out, "--resamples", "100"]);
  expect(compared.stdout).toContain("| **overall** | 10 |");
  const other = runPapo(words(out, "--temperature", "0.5"));
  expect(other.stderr).toContain("has rows of other settings (temperature was 1, is 0.5); name another --out");
});

test("batches across benchmarks give the same responses as rows one by one", () => {
  const [single, batched] = [freshPath(world, "single"), freshPath(world, "batched")];
  expect(runPapo(words(single, "--max-tokens", "9")).status).toBe(0);
  expect(runPapo(words(batched, "--max-tokens", "9", "--batch", "7")).status).toBe(0);
  for (const id of ["plain", "hinted"])
    expect(readFileSync(itemsOf(batched, id), "utf8")).toBe(readFileSync(itemsOf(single, id), "utf8"));
});

test("a server's model is evaluated; Ctrl-C keeps what is finished, and the key is shown nowhere", async () => {
  const service = await startChatService((request, response, count) => {
    if (count <= 3) wellBehaved(request, response, count);
    else if (count === 4) papo.child.kill("SIGINT"); // and no answer
  });
  const out = freshPath(world, "served");
  const { baseUrl } = service;
  process.env["OPENAI_API_KEY"] = "sk-very-secret";
  const served = ["eval", "--engine", "openai", "--base-url", baseUrl, "--model", "m", "--benchmarks", file, "--out", out, "--n", "2", "--concurrency", "1"]; // prettier-ignore
  const papo = startPapo(served);
  expect(await papo.ended).toBe(1);
  expect(papo.stderr()).toBe("\npapo: stopping; press Ctrl-C again to exit at once\npapo: interrupted\n");
  expect(idsOf(out, "plain")).toHaveLength(3);
  service.behaviour = (request, response, count) => {
    if (count <= 11) wellBehaved(request, response, count);
    else sendJson(response, { error: "too many requests were made" }, 400);
  };
  const rest = startPapo(served);
  expect(await rest.ended).toBe(0);
  delete process.env["OPENAI_API_KEY"];
  expect([...idsOf(out, "plain"), ...idsOf(out, "hinted")]).toHaveLength(10);
  expect(service.requests[0]?.headers.authorization).toBe("Bearer sk-very-secret");
  expect(readFileSync(join(out, "plain", "settings.json"), "utf8")).not.toContain("sk-very-secret");
});

test("papo leaks names shared pictures; a set shares all of its own", () => {
  const report = freshPath(world, "leaks.json");
  const run = runPapo(["leaks", "--train", world.data, "--data", world.data, "--benchmarks", "mini-vision", "--out", report]); // prettier-ignore
  expect(run).toMatchObject({ status: 0, stderr: "" });
  expect(run.stdout).toMatch(/rl\.jsonl: 8 of 8 pictures shared \(8 by bytes, 0 by pixels\), in 8 of 8 rows\n/u);
  expect(run.stdout).toContain("mini-vision: 0 of 200 pictures shared (0 by bytes, 0 by pixels), in 0 of 200 rows\n");
  expect(JSON.parse(readFileSync(report, "utf8"))).toHaveLength(2);
});

test.for([
  [["--data", "x.jsonl"], /^papo: --data: expected either --data or --benchmarks\n$/u],
  [["--reward", "x.mjs"], /^papo: reward: expected in the benchmark's YAML file, not with --benchmarks\n$/u],
  [["--out", "x.jsonl"], /^papo: --out: expected a folder with --benchmarks, got x\.jsonl\n$/u],
  [["--engine", "openai"], /^papo: --base-url: expected with --engine openai\n$/u],
  [["--base-url", "http://x"], /^papo: --base-url: expected with --engine openai only\n$/u],
  [["--min-pixels", "9", "--max-pixels", "8"], /^papo: --min-pixels: expected at most --max-pixels \(8\), got 9\n$/u],
  [["--benchmarks", "mini"], /^papo: --benchmarks: expected all, a \.yaml file, or names out of .*\n$/u],
] as const)("papo eval --benchmarks %j ends with one line", ([more, line]) => {
  const run = runPapo(words(freshPath(world, "wrong"), ...more));
  expect(run).toMatchObject({ status: 1, stdout: "" });
  expect(run.stderr.replace(/^papo: settings[^]*?in training \d+\n(?=papo)/u, "")).toMatch(line);
});
