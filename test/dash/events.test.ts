// The event stream of a real server, read as a browser reads it: it brings what is new, and goes on where it was cut.
import { request } from "node:http";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { RowsEvent, RunSummary } from "../../lib/dash/api.ts";
import { parseEventId } from "../../lib/dash/events.ts";
import { tempFolder } from "../support/temp.ts";
import {
  addStep,
  ask,
  askJson,
  metricsLine,
  openFor,
  readEvents,
  type StreamEvent,
  until,
  writeRun,
} from "./run-folders.ts";

const rowsOf = (events: readonly StreamEvent[]) =>
  events.filter(({ event }) => event === "rows").map(({ data }) => data as RowsEvent);
const stepsOf = (events: readonly StreamEvent[]) => rowsOf(events).flatMap(({ rows }) => rows.map(({ step }) => step));

/** A dashboard whose runs are read. */
async function openRead(folders: readonly string[]): Promise<string> {
  const { url } = await openFor(folders);
  const isRead = async () =>
    (await askJson<{ runs: RunSummary[] }>(url, "/api/runs")).runs.every(({ readShare }) => readShare === 1);
  await until(isRead);
  return url;
}

test("a new reader hears how the runs are, then each row as it is written, half a line never", async () => {
  const folder = writeRun(tempFolder(), [{ a: 1 }, { a: 2 }]);
  const url = await openRead([folder]);
  const reading = readEvents(url, (events) => stepsOf(events).length >= 2);
  setTimeout(() => {
    addStep(folder, 3, { a: 3 });
    writeFileSync(join(folder, "metrics.jsonl"), '{"step":4,"a"', { flag: "a" });
  }, 400);
  setTimeout(() => {
    writeFileSync(join(folder, "metrics.jsonl"), ":4}\n", { flag: "a" });
  }, 1500);
  const events = await reading;
  expect(events[0]).toMatchObject({ event: "run", data: { id: 0, numRows: 2, lastStep: 2, status: "ended" } });
  expect(rowsOf(events)).toMatchObject([
    { run: 0, first: 2, rows: [{ step: 3, values: { a: 3 } }] },
    { run: 0, first: 3, rows: [{ step: 4, values: { a: 4 } }] },
  ]);
});

test("a reader that comes back with its last id gets what it missed of each run, once", async () => {
  const [one, two] = [writeRun(tempFolder(), [{ a: 1 }]), writeRun(tempFolder(), [{ b: 1 }])];
  const url = await openRead([one, two]);
  const first = await readEvents(url, (events) => events.length >= 2);
  for (let step = 2; step <= 450; step += 1) addStep(one, step, { a: step });
  addStep(two, 2, { b: 2 });
  const numRows = async () => (await askJson<{ runs: RunSummary[] }>(url, "/api/runs")).runs.map((run) => run.numRows);
  await until(async () => String(await numRows()) === "450,2"); // read before the reader comes back
  const again = await readEvents(url, (events) => stepsOf(events).length >= 450, first.at(-1)?.id);
  expect(again.some(({ event }) => event === "anew")).toBe(false);
  const ofRun = (id: number) => rowsOf(again).filter(({ run }) => run === id);
  expect(ofRun(0).flatMap(({ rows }) => rows.map(({ step }) => step))).toEqual(
    Array.from({ length: 449 }, (_, index) => index + 2),
  );
  expect(ofRun(1).flatMap(({ rows }) => rows.map(({ step }) => step))).toEqual([2]);
});

test("an id of rows that are gone, of another server or of nothing makes a reader start anew", async () => {
  const folder = writeRun(tempFolder(), [{ a: 1 }, { a: 2 }]);
  const url = await openRead([folder]);
  for (const id of ["00000000.1", "00000000.1,00000000.2"]) {
    const [event] = await readEvents(url, (events) => events.length >= 1, id);
    expect(["anew", "run"], id).toContain(event?.event);
  }
  expect((await readEvents(url, (events) => events.length >= 1, "00000000.1"))[0]).toMatchObject({
    event: "anew",
    data: { run: 0 },
  });
  expect((await readEvents(url, (events) => events.length >= 1, "'; drop"))[0]?.event).toBe("run");
  expect(parseEventId("0123abcd.7,00000000.0")).toEqual([
    { generation: "0123abcd", row: 7 },
    { generation: "00000000", row: 0 },
  ]);
  for (const id of [undefined, "", "x", "0123abcd.7,", "0123abcd.-1", `${"0123abcd.7,".repeat(2000)}0123abcd.7`])
    expect(parseEventId(id)).toBeUndefined();
});

test("a run that is resumed from an earlier step, and one whose folder goes and comes, are told anew", async () => {
  const folder = writeRun(join(tempFolder(), "run"), [{ a: 1 }, { a: 2 }, { a: 3 }]);
  const url = await openRead([folder]);
  const summary = async () => (await askJson<{ runs: RunSummary[] }>(url, "/api/runs")).runs[0];
  const before = (await summary())?.generation;
  const reading = readEvents(url, (events) => events.some(({ event }) => event === "anew"));
  writeFileSync(join(folder, "m"), metricsLine(1, { a: 1 }) + metricsLine(2, { a: 7 }));
  renameSync(join(folder, "m"), join(folder, "metrics.jsonl"));
  await reading;
  expect(await summary()).toMatchObject({ numRows: 2, lastStep: 2 });
  expect((await summary())?.generation).not.toBe(before);
  rmSync(folder, { recursive: true });
  await until(async () => (await summary())?.status === "gone");
  expect(await summary()).toMatchObject({ numRows: 2, lastStep: 2 }); // its last numbers stay
  writeRun(folder, [{ a: 5 }]);
  await until(async () => (await summary())?.numRows === 1);
});

test("streams beyond the limit are refused, and one that is closed makes room", async () => {
  const url = await openRead([writeRun(tempFolder(), [{ a: 1 }])]);
  const { hostname, port } = new URL(url);
  const open = () =>
    new Promise<{ status: number; close: () => void }>((resolve) => {
      const asked = request({ hostname, port, path: "/api/events" }, (response) => {
        response.on("error", () => undefined);
        resolve({ status: response.statusCode ?? 0, close: () => asked.destroy() });
      });
      asked.on("error", () => undefined);
      asked.end();
    });
  const streams = await Promise.all(Array.from({ length: 32 }, open));
  expect(streams.map(({ status }) => status)).toEqual(Array.from({ length: 32 }, () => 200));
  expect((await ask(url, "/api/events")).status).toBe(503);
  streams[0]?.close();
  let last = 503;
  await until(async () => {
    const stream = await open();
    stream.close();
    last = stream.status;
    return last === 200;
  });
  expect((await ask(url, "/api/events", { method: "HEAD" })).status).toBe(405);
  for (const stream of streams) stream.close();
});
