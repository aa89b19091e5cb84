// The dashboard's pages and answers. It reads, and only below the folders that it was given.
import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { streamSSE } from "hono/streaming";
import { access, type AccessOptions } from "./access.ts";
import type { ConfigReply, EvaluationsReply, RunList, SamplesReply, SeriesReply } from "./api.ts";
import { evaluationsIn } from "./evaluations.ts";
import { sendEvents } from "./events.ts";
import { isAbsent, RefusedFileError } from "../run-folders/folder-files.ts";
import { readPicture } from "./pictures.ts";
import { isPictureName, isSampleName, readSamples, sampleFiles } from "./samples.ts";
import { flatSettings } from "./settings.ts";
import type { WatchedRun } from "./watched-run.ts";
import type { WebFiles } from "./web-files.ts";

export interface DashboardParts {
  readonly runs: readonly WatchedRun[];
  /** Folders in which evaluations are looked for. */
  readonly evaluationFolders: readonly string[];
  readonly web: WebFiles;
  readonly access: AccessOptions;
}

const maxStreams = 32;
const maxMetricsAsked = 64;
const points = { least: 20, most: 4000, usual: 600 } as const;

const policy = [
  "default-src 'none'",
  ...["script-src", "style-src", "img-src", "connect-src"].map((kind) => `${kind} 'self'`),
  ...["base-uri", "form-action", "frame-ancestors"].map((kind) => `${kind} 'none'`),
].join("; ");
const headers: Readonly<Record<string, string>> = {
  "Content-Security-Policy": policy,
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cache-Control": "no-store",
};

export function createApp(parts: DashboardParts): Hono {
  const app = new Hono();
  app.use(async (context, next) => {
    for (const [name, value] of Object.entries(headers)) context.header(name, value);
    await next();
  });
  app.use(access(parts.access));
  app.onError((error, context) => {
    if (error instanceof HTTPException) return context.text(`${error.message}\n`, error.status);
    if (error instanceof RefusedFileError) return context.text("refused\n", 403);
    if (isAbsent(error)) return context.text("not there (any more)\n", 404);
    return context.text("could not be read\n", 500);
  });
  app.notFound((context) => context.text("not there\n", 404));
  addRuns(app, parts);
  addSamples(app, parts);
  addEvents(app, parts);
  app.get("/api/evaluations", async (context) => {
    const found = await Promise.all(parts.evaluationFolders.map((folder) => evaluationsIn(folder)));
    return context.json<EvaluationsReply>({ evaluations: found.flat() });
  });
  app.get("*", ({ req, body, notFound }) => {
    const file = parts.web.get(req.path);
    return file ? body(file.bytes, 200, { "Content-Type": file.type }) : notFound();
  });
  return app;
}

function addRuns(app: Hono, { runs }: DashboardParts): void {
  app.get("/api/runs", (context) => context.json<RunList>({ runs: runs.map((run) => run.summary()) }));
  app.get("/api/config", (context) =>
    context.json<ConfigReply>({ runs: runs.map(({ id, record }) => ({ run: id, settings: flatSettings(record) })) }),
  );
  app.get("/api/runs/:run/series", (context) => {
    const { generation, store } = runAt(runs, context.req.param("run"));
    const names = (context.req.queries("metric") ?? []).slice(0, maxMetricsAsked);
    const asked = numberOf(context.req.query("points")) ?? points.usual;
    const range = {
      from: numberOf(context.req.query("from")) ?? Number.NEGATIVE_INFINITY,
      to: numberOf(context.req.query("to")) ?? Number.POSITIVE_INFINITY,
      points: Math.min(points.most, Math.max(points.least, Math.round(asked))),
    };
    const series = Object.fromEntries(names.map((name) => [name, store.series(name, range)]));
    return context.json<SeriesReply>({ generation, numRows: store.numRows, series });
  });
}

function addSamples(app: Hono, { runs }: DashboardParts): void {
  app.get("/api/runs/:run/samples", async (context) => {
    return context.json(await sampleFiles(runAt(runs, context.req.param("run")).folder));
  });
  app.get("/api/runs/:run/samples/:name", async (context) => {
    const { run: id, name } = context.req.param();
    const run = runAt(runs, id);
    if (!isSampleName(name)) throw new HTTPException(404, { message: "not there" });
    return context.json<SamplesReply>(await readSamples(run.folder, name));
  });
  app.get("/api/runs/:run/pictures/:step/:file", async (context) => {
    const { run: id, step, file } = context.req.param();
    const run = runAt(runs, id);
    if (!isPictureName(`${step}/${file}`)) throw new HTTPException(404, { message: "not there" });
    const { bytes, type } = await readPicture(run.folder, `${step}/${file}`);
    return context.body(bytes, 200, { "Content-Type": type, "Content-Security-Policy": "default-src 'none'; sandbox" });
  });
}

function addEvents(app: Hono, { runs }: DashboardParts): void {
  let numStreams = 0;
  app.get("/api/events", (context) => {
    if (context.req.method === "HEAD") throw new HTTPException(405, { message: "a stream has no head" });
    if (numStreams >= maxStreams) throw new HTTPException(503, { message: "too many pages are open" });
    numStreams += 1;
    const lastEventId = context.req.header("last-event-id");
    return streamSSE(context, async (stream) => {
      try {
        await sendEvents(stream, runs, lastEventId);
      } catch {
        // The reader is gone; it comes back by itself if it wants more.
      } finally {
        numStreams -= 1;
      }
    });
  });
}

function runAt(runs: readonly WatchedRun[], id: string): WatchedRun {
  const run = /^\d{1,6}$/u.test(id) ? runs[Number(id)] : undefined;
  if (!run) throw new HTTPException(404, { message: "no such run" });
  return run;
}

function numberOf(text: string | undefined): number | undefined {
  const value = text === undefined || text.trim() === "" ? Number.NaN : Number(text);
  return Number.isFinite(value) ? value : undefined;
}
