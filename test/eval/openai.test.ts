import { readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import sharp from "sharp";
import { expect, test } from "vitest";
import { runBenchmarks } from "../../lib/eval/benchmarks/benchmark-run.ts";
import type { BenchmarkItem } from "../../lib/eval/benchmarks/item.ts";
import { resolveBenchmarks } from "../../lib/eval/benchmarks/registry.ts";
import { defaultSettings, type EvaluationSettings } from "../../lib/eval/benchmarks/settings.ts";
import { parseRetryAfter, waitMs } from "../../lib/eval/openai/backoff.ts";
import { OpenAiEngine, type OpenAiEngineOptions } from "../../lib/eval/openai/openai-engine.ts";
import { jsonLines, tempFolder } from "../data/temp.ts";
import { type ChatService, choices, sendJson, startChatService, wellBehaved } from "./chat-service.ts";

const key = "sk-very-secret";

interface Setup {
  readonly service: ChatService;
  readonly out: string;
  readonly run: (more?: Partial<OpenAiEngineOptions>, settings?: Partial<EvaluationSettings>, signal?: AbortSignal) => ReturnType<typeof runBenchmarks>; // prettier-ignore
  readonly items: () => BenchmarkItem[];
}

/** Three rows with a picture each, right when the answer is 1. */
async function setup(numRows = 3): Promise<Setup> {
  const service = await startChatService();
  const png = await sharp({ create: { width: 40, height: 30, channels: 3, background: "red" } })
    .png()
    .toBuffer();
  const rows = Array.from({ length: numRows }, (_, at) => ({ id: `r${at}`, problem: `Look: <image> Q${at}?`, answer: "1", images: ["a.png"] })); // prettier-ignore
  const folder = tempFolder({ "rows.jsonl": jsonLines(rows), "a.png": png, "mine.yaml": "benchmarks: {mine: {data: rows.jsonl}}" }); // prettier-ignore
  const out = join(folder, "out");
  const run: Setup["run"] = async (more = {}, settings = {}, signal) => {
    const all = { ...defaultSettings, n: 2, ...settings };
    const options = { baseUrl: service.baseUrl, model: "m", apiKey: key, concurrency: 2, timeoutMs: 5000, attempts: 3, baseDelayMs: 1, maxDelayMs: 5, signal }; // prettier-ignore
    const engine = await OpenAiEngine.open(all, { ...options, ...more });
    return await runBenchmarks({ benchmarks: resolveBenchmarks(join(folder, "mine.yaml")), settings: all, engine, out, signal, maxSkippedShare: 0.5 }); // prettier-ignore
  };
  const items = () =>
    readFileSync(join(out, "mine", "items.jsonl"), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line) as BenchmarkItem); // prettier-ignore
  return { service, out, run, items };
}

test("a row is asked with its pictures as data URLs, n, a seed of its own and the key, which no file holds", async () => {
  const { service, out, run, items } = await setup();
  const summary = await run({}, { topK: 50, system: "Be brief." });
  expect(summary.benchmarks[0]).toMatchObject({ rows: 3, avgAtN: 1, passAtN: 1, majorityAtN: 1, complete: true });
  const [first] = service.requests;
  expect(first?.path).toBe("/v1/chat/completions");
  expect(first?.headers.authorization).toBe(`Bearer ${key}`);
  expect(first?.body).toMatchObject({ model: "m", n: 2, temperature: 1, top_p: 1, top_k: 50, max_tokens: 2048 });
  const [system, user] = first?.body.messages ?? [];
  expect(system).toEqual({ role: "system", content: "Be brief." });
  const parts = user?.content as { type: string; text?: string; image_url?: { url: string } }[];
  expect(parts.map(({ type, text }) => text ?? type)).toEqual(["Look: ", "image_url", expect.stringMatching(/^ Q\d\?$/u)]); // prettier-ignore
  const url = parts[1]?.image_url?.url ?? "";
  const { width, height } = await sharp(Buffer.from(url.replace("data:image/png;base64,", ""), "base64")).metadata();
  expect([width, height]).toEqual([40, 30]);
  expect(new Set(service.requests.map(({ body }) => body.seed)).size).toBe(3);
  expect(service.load.most).toBeLessThanOrEqual(2);
  for (const file of ["summary.json", "summary.md", "mine/items.jsonl", "mine/settings.json", "mine/summary.json"])
    expect(readFileSync(join(out, file), "utf8")).not.toContain(key);
  expect(items()[0]).toMatchObject({ prompt: expect.stringMatching(/^Look: <image> Q/u) as string, numImages: 1 });
});

test("pictures over the limit are reduced to it", async () => {
  const { service, run } = await setup(1);
  await run({}, { maxPixels: 300 });
  const parts = service.requests[0]?.body.messages[0]?.content as { image_url?: { url: string } }[];
  const bytes = Buffer.from(parts[1]?.image_url?.url.split(",")[1] ?? "", "base64");
  const { width, height } = await sharp(bytes).metadata();
  // sqrt(300 / 1200) = 1/2
  expect([width, height]).toEqual([20, 15]);
});

test("fewer choices than asked for are asked for again with another seed; more are cut", async () => {
  const { service, run, items } = await setup(1);
  service.behaviour = ({ body }, response, count) => {
    sendJson(response, count === 1 ? choices("a \\boxed{1}") : choices(...Array.from({ length: body.n + 2 }, () => "b \\boxed{2}"))); // prettier-ignore
  };
  const summary = await run({}, { n: 4 });
  expect(service.requests.map(({ body }) => body.n)).toEqual([4, 3]);
  expect(service.requests[0]?.body.seed).not.toBe(service.requests[1]?.body.seed);
  expect(items()[0]?.responses.map(({ text }) => text?.[0])).toEqual(["a", "b", "b", "b"]);
  expect(summary.benchmarks[0]).toMatchObject({ avgAtN: 0.25, passAtN: 1, majorityAtN: 0 });
  expect(summary.counters).toEqual({ shortAnswers: 1 });
});

test("answers without text are wrong and counted; without any choice the row is left out", async () => {
  const { service, run, items } = await setup(2);
  service.behaviour = ({ body }, response) => {
    const isFirst = JSON.stringify(body.messages).includes("Q0?");
    sendJson(response, isFirst ? choices(null, "\\boxed{1}") : { choices: [] });
  };
  const summary = await run();
  expect(summary.benchmarks[0]).toMatchObject({ rows: 1, numSkipped: 1, complete: false, numWithoutText: 1, avgAtN: 0.5 }); // prettier-ignore
  expect(summary.skipped).toEqual([expect.stringMatching(/rows\.jsonl:2: m: 3 answers without a choice$/u)]);
  expect(items()).toHaveLength(1);
  expect(items()[0]?.responses[0]).toMatchObject({ text: null, extracted: null, correct: false });
});

test("busy and broken answers are tried again, after Retry-After at least", async () => {
  const { service, run } = await setup(1);
  const failures = [
    () => [429, { error: { message: "slow down" } }, { "retry-after": "0.3" }] as const,
    () => [503, "down", {}] as const,
    () => [200, "<html>a proxy's page</html>", {}] as const,
    () => [200, { error: { message: "out of memory" } }, {}] as const,
  ];
  service.behaviour = (request, response, count) => {
    const [status, body, headers] = failures[count - 1]?.() ?? [];
    if (status === undefined) wellBehaved(request, response, count);
    else response.writeHead(status, headers).end(typeof body === "string" ? body : JSON.stringify(body));
  };
  const summary = await run({ attempts: 5, maxDelayMs: 1000 });
  expect(service.requests).toHaveLength(5);
  expect((service.requests[1]?.atMs ?? 0) - (service.requests[0]?.atMs ?? 0)).toBeGreaterThanOrEqual(299);
  expect(summary.benchmarks[0]?.rows).toBe(1);
});

test("many rows may wait at a time without a warning", async () => {
  const { service, run } = await setup(16);
  const warnings: string[] = [];
  const onWarning = ({ message }: Error) => warnings.push(message);
  process.on("warning", onWarning);
  const held: ServerResponse[] = [];
  service.behaviour = (request, response, count) => {
    if (count > 16) wellBehaved(request, response, count);
    else if (held.push(response) === 16) for (const one of held) sendJson(one, { error: "busy" }, 503);
  };
  const summary = await run({ concurrency: 16, baseDelayMs: 100, maxDelayMs: 100 }, {}, new AbortController().signal);
  await sleep(0);
  process.off("warning", onWarning);
  expect(summary.benchmarks[0]?.rows).toBe(16);
  expect(service.load.most).toBe(16);
  expect(warnings).toEqual([]);
});

test("a connection that breaks or hangs is tried again and named at the end", async () => {
  const { service, run } = await setup(1);
  service.behaviour = (_request, response, count) => {
    if (count === 1) response.socket?.destroy();
    // then no answer, or one whose body never ends
    else if (count === 3) response.writeHead(200).write("{");
  };
  await expect(run({ timeoutMs: 60 })).rejects.toThrow(
    /1 of 1 rows are unusable.*no answer within 0\.06 s \(3 tries\)/u,
  );
  expect(service.requests).toHaveLength(3);
});

test("a server that is gone stops the evaluation, and the next start does what is left", async () => {
  const { service, run, items } = await setup(8);
  let isUp = true;
  service.behaviour = (request, response, count) => {
    if (count > 3) isUp = false;
    if (isUp) wellBehaved(request, response, count);
    else sendJson(response, { error: { message: `overloaded, says ${key}` } }, 500);
  };
  const failed = run({ concurrency: 1 });
  await expect(failed).rejects.toThrow(/chat\/completions: status 500: overloaded, says \*\*\* \(3 tries\)$/u);
  const before = items();
  expect(before).toHaveLength(3);
  service.behaviour = wellBehaved;
  service.requests.length = 0;
  expect((await run()).benchmarks[0]).toMatchObject({ rows: 8, complete: true });
  expect(service.requests).toHaveLength(5);
  expect(items().slice(0, 3)).toEqual(before);
  expect(new Set(items().map(({ id }) => id)).size).toBe(8);
});

test("a row that the server rejects is left out at once; a wrong key or model stops all", async () => {
  const { service, run } = await setup(3);
  service.behaviour = (request, response, count) => {
    if (JSON.stringify(request.body.messages).includes("Q1?"))
      sendJson(response, { error: { message: "prompt\ntoo long" } }, 400);
    else wellBehaved(request, response, count);
  };
  const summary = await run();
  expect(summary.benchmarks[0]).toMatchObject({ rows: 2, numSkipped: 1 });
  expect(summary.skipped[0]).toMatch(/rows\.jsonl:2: .*status 400: prompt too long$/u);
  for (const [status, text] of [
    [401, /status 401: no \(the key is taken from OPENAI_API_KEY\)$/u],
    [404, /status 404: no$/u],
  ] as const) {
    // prettier-ignore
    const other = await setup(3);
    other.service.behaviour = (_request, response) => {
      sendJson(response, { error: "no" }, status);
    };
    await expect(other.run({ concurrency: 1 })).rejects.toThrow(text);
    expect(other.service.requests).toHaveLength(1);
  }
});

test("an abort ends the requests under way, keeps what is finished and leaves nothing running", async () => {
  const { service, run, items } = await setup(6);
  const controller = new AbortController();
  service.behaviour = (request, response, count) => {
    if (count <= 2) wellBehaved(request, response, count);
    else if (count === 4) controller.abort(new DOMException("interrupted", "AbortError"));
  };
  await expect(run({}, {}, controller.signal)).rejects.toThrow(/^interrupted$/u);
  expect(items()).toHaveLength(2);
  while (service.load.now > 0) await sleep(5);
  const sofar = service.requests.length;
  service.behaviour = wellBehaved;
  expect((await run()).benchmarks[0]?.rows).toBe(6);
  expect(service.requests.length - sofar).toBe(4);
});

test("the only model of a server needs no name", async () => {
  const { service, run } = await setup(1);
  const names = ["one", "two"];
  service.behaviour = (request, response, count) => {
    if (request.path === "/v1/models") sendJson(response, { data: names.map((id) => ({ id })) });
    else wellBehaved(request, response, count);
  };
  await expect(run({ model: undefined })).rejects.toThrow(/^--model: expected the name of one of the server's models: one, two$/u); // prettier-ignore
  names.pop();
  expect((await run({ model: undefined })).identity).toMatchObject({ engine: "openai", model: "one" });
});

test.for([
  ["ftp://x/v1", /^--base-url: expected an address like/u],
  ["not an address", /^--base-url: expected an address like/u],
  ["http://me:secret@127.0.0.1/v1", /^--base-url: expected an address without a user or password/u],
] as const)("the address %s is refused without a request", async ([baseUrl, text]) => {
  const { run } = await setup(1);
  await expect(run({ baseUrl })).rejects.toThrow(text);
});

test("waits double with each try up to the limit, drawn from their whole range", () => {
  const settings = { attempts: 9, baseDelayMs: 100, maxDelayMs: 1000 };
  expect([1, 2, 3, 4, 5, 6].map((attempt) => waitMs(attempt, settings, 0, () => 1))).toEqual([100, 200, 400, 800, 1000, 1000]); // prettier-ignore
  expect(waitMs(3, settings, 0, () => 0.25)).toBe(100);
  expect(waitMs(1, settings, 700, () => 0.5)).toBe(750);
  expect(waitMs(1, settings, 5000, () => 0)).toBe(1000);
  expect(parseRetryAfter("2", 0)).toBe(2000);
  expect(parseRetryAfter("Thu, 01 Jan 1970 00:00:10 GMT", 4000)).toBe(6000);
  expect(parseRetryAfter("Thu, 01 Jan 1970 00:00:10 GMT", 40_000)).toBe(0);
  expect([parseRetryAfter(null, 0), parseRetryAfter("soon", 0)]).toEqual([undefined, undefined]);
});
