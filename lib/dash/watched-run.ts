// One run folder as it is read: metrics, alarms, who holds it. Reading again finds what came since.
import { randomBytes } from "node:crypto";
import { stat } from "node:fs/promises";
import { metricRow } from "../trainer/metrics.ts";
import { runHolder } from "../trainer/run-lock.ts";
import { alarmsFile, metricsFile } from "../trainer/run-folder.ts";
import { runOutcomes } from "../trainer/run-outcome.ts";
import { storedRunFile } from "../reproduce/run-paths.ts";
import { recordFile } from "../trainer/run-record.ts";
import { statusFile } from "../trainer/run-status.ts";
import type { Alarm, RunStatus, RunSummary } from "./api.ts";
import { isAbsent, readInside, RefusedFileError } from "../run-folders/folder-files.ts";
import { LineTail } from "../run-folders/line-tail.ts";
import { MetricStore } from "./metric-store.ts";
import { type Fields, isFields, list, number, parseFields, text } from "./read-fields.ts";

const maxRecordBytes = 8 * 2 ** 20;
const maxStatusBytes = 2 ** 16;
const maxAlarms = 1000;

export class WatchedRun {
  readonly id: number;
  readonly name: string;
  readonly folder: string;
  store = new MetricStore();
  generation = newGeneration();
  #alarms: Alarm[] = [];
  #status: RunStatus = "ended";
  #totalSteps: number | null = null;
  #readShare = 0;
  #record: Fields = {};
  readonly #metrics: LineTail;
  readonly #alarmLines: LineTail;

  constructor({ id, name, folder }: { readonly id: number; readonly name: string; readonly folder: string }) {
    this.id = id;
    this.name = name;
    this.folder = folder;
    this.#metrics = new LineTail(folder, metricsFile, {
      line: (line) => {
        this.store.addLine(line);
      },
      restart: () => {
        this.store = new MetricStore();
        this.generation = newGeneration();
      },
      progress: (done, total) => {
        this.#readShare = total === 0 ? 1 : done / total;
      },
    });
    this.#alarmLines = new LineTail(folder, alarmsFile, {
      line: (line) => {
        const alarm = alarmOf(parseFields(line));
        if (alarm && this.#alarms.length < maxAlarms) this.#alarms.push(alarm);
      },
      restart: () => {
        this.#alarms = [];
      },
    });
  }

  /** Reads what is new; what cannot be read is as if it were not there. What was read of a folder that goes stays. */
  async refresh(): Promise<void> {
    if (!(await isFolder(this.folder))) {
      this.#status = "gone";
      return;
    }
    const told = (await this.#readJson(statusFile, maxStatusBytes)) ?? {};
    this.#totalSteps = number(told["totalSteps"]) ?? this.#maxSteps();
    this.#status = (await runHolder(this.folder)) ? "running" : endOf(told["state"]);
    this.#record = await this.#readRecord();
    if ((await this.#metrics.poll()) === "absent") this.#readShare = 1;
    await this.#alarmLines.poll();
  }

  /** The resolved configuration, git state and build of config.json or of a result that is kept; empty where it cannot be read. */
  get record(): Fields {
    return this.#record;
  }

  async #readRecord(): Promise<Fields> {
    const record = await this.#readJson(recordFile, maxRecordBytes);
    if (record) return record;
    const { settings: config, revision: git, build } = (await this.#readJson(storedRunFile, maxRecordBytes)) ?? {};
    return { config, git, build };
  }

  #maxSteps(): number | null {
    const { config } = this.#record;
    const trainer = isFields(config) ? config["trainer"] : undefined;
    return isFields(trainer) ? number(trainer["maxSteps"]) : null;
  }

  /** A file of the folder as a JSON map; undefined when it is not there, too large or something else. */
  async #readJson(name: string, maxBytes: number): Promise<Fields | undefined> {
    try {
      return parseFields((await readInside(this.folder, name, maxBytes)).toString("utf8"));
    } catch (error) {
      if (isAbsent(error) || error instanceof RefusedFileError) return undefined;
      throw error;
    }
  }

  summary(): RunSummary {
    const { store } = this;
    return {
      id: this.id,
      name: this.name,
      folder: this.folder,
      status: this.#status,
      generation: this.generation,
      numRows: store.numRows,
      lastStep: store.lastStep ?? null,
      totalSteps: this.#totalSteps,
      readShare: this.#readShare,
      metrics: store.names.map((name) => ({
        name,
        unit: metricRow(name)?.unit ?? "",
        numNonFinite: store.numNonFinite(name),
      })),
      alarms: this.#alarms,
      numBadLines: store.numBadLines,
      numEarlier: store.numEarlier,
    };
  }
}

function newGeneration(): string {
  return randomBytes(4).toString("hex");
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

/** status.json's word for how a run ended. */
function endOf(state: unknown): RunStatus {
  return runOutcomes.find((outcome) => outcome === state) ?? "ended";
}

function alarmOf(fields: Fields | undefined): Alarm | undefined {
  const step = number(fields?.["step"]);
  if (fields === undefined || step === null) return undefined;
  const { signal, event, action, metric, value, mean, threshold, signals, klPrcpFactor } = fields;
  return {
    step,
    ...{ signal: text(signal), event: text(event), action: text(action), metric: text(metric) },
    ...{ value: number(value), mean: number(mean), threshold: number(threshold) },
    ...{ signals: list(signals, text), klPrcpFactor: number(klPrcpFactor) },
  };
}
