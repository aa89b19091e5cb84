// Metrics to an MLflow server. A step only queues; one task in the background sends, and waits out a server that is away.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { RunConfig } from "../config/schema.ts";
import type { Logger } from "../trainer/loggers.ts";
import type { RunOutcome } from "../trainer/run-outcome.ts";
import type { RunRecord } from "../trainer/run-record.ts";
import type { StepMetrics } from "../types.ts";
import { maxBatch, type MetricPoint, MlflowClient, type MlflowClientOptions, type MlflowRun } from "./mlflow-client.ts";
import { metricKey, runParams, runTags } from "./mlflow-names.ts";
import type { MlflowSettings } from "./mlflow-settings.ts";

export interface MlflowTarget {
  /** The run folder, which remembers the MLflow run for a resumed one. */
  readonly dir: string;
  readonly record: RunRecord;
}

export interface MlflowLoggerOptions extends Pick<MlflowClientOptions, "timeoutMs" | "retry"> {
  /** Takes one line of news. */
  readonly say: (line: string) => void;
  /** How long the end of the run may wait for what is queued. */
  readonly closeMs?: number;
  /** The oldest of more are dropped. */
  readonly maxQueued?: number;
}

interface Artifact {
  readonly path: string;
  readonly content: string;
}

/** In the run folder: which MLflow run it is. */
const linkFile = ".mlflow.json";
const maxArtifacts = 100;

export class MlflowLogger implements Logger {
  readonly name = "mlflow";
  readonly #settings: MlflowSettings;
  readonly #config: RunConfig;
  readonly #target: MlflowTarget;
  readonly #options: MlflowLoggerOptions;
  readonly #client: MlflowClient;
  readonly #stop = new AbortController();
  readonly #points: MetricPoint[] = [];
  readonly #artifacts: Artifact[] = [];
  #run: MlflowRun | undefined;
  #outcome: RunOutcome | undefined;
  #work: Promise<void> | undefined;
  #failure: Error | undefined;
  #numDropped = 0;
  #saidTrouble = false;
  #takesArtifacts = true;

  constructor(settings: MlflowSettings, config: RunConfig, target: MlflowTarget, options: MlflowLoggerOptions) {
    this.#settings = settings;
    this.#config = config;
    this.#target = target;
    this.#options = options;
    const { timeoutMs, retry } = options;
    this.#client = new MlflowClient(settings, {
      signal: this.#stop.signal,
      onTrouble: (text) => {
        this.#sayTrouble(text);
      },
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(retry === undefined ? {} : { retry }),
    });
    void this.#wake(); // so that the run is there before its first step ends
  }

  /** @throws the failure that ended the sending, if one has */
  logStep(step: number, metrics: StepMetrics): void {
    const timestamp = Date.now();
    for (const [name, value] of Object.entries(metrics))
      if (Number.isFinite(value)) this.#points.push({ key: metricKey(name), value, timestamp, step });
    const surplus = this.#points.length - (this.#options.maxQueued ?? 100_000);
    if (surplus > 0) this.#numDropped += this.#points.splice(0, surplus).length;
    void this.#wake();
  }

  logText(step: number, tag: string, text: string): void {
    if (this.#artifacts.length < maxArtifacts && this.#takesArtifacts)
      this.#artifacts.push({ path: `${tag}/step-${step.toString().padStart(6, "0")}.txt`, content: text });
    void this.#wake();
  }

  /** Sends what is queued and how the run ended, for as long as closeMs. @throws {Error} when something could not be sent */
  async close(outcome: RunOutcome): Promise<void> {
    this.#outcome = outcome;
    const timer = setTimeout(() => {
      this.#stop.abort(new Error("not sent when the run ended"));
    }, this.#options.closeMs ?? 8000);
    try {
      while (this.#isBehind && !this.#failure) await (this.#work ?? this.#wake());
    } finally {
      clearTimeout(timer);
    }
    const lost = this.#points.length + this.#numDropped;
    if (this.#failure)
      throw new Error(`${this.#failure.message} (${lost} metric values lost)`, { cause: this.#failure });
    if (lost > 0) throw new Error(`${lost} metric values did not fit into the queue while the server was away`);
  }

  get #isBehind(): boolean {
    return this.#run === undefined || this.#points.length + this.#artifacts.length > 0 || this.#outcome !== undefined;
  }

  #wake(): Promise<void> {
    if (this.#failure) throw this.#failure;
    this.#work ??= this.#drain()
      .catch((error: unknown) => {
        this.#failure = error as Error;
      })
      .finally(() => {
        this.#work = undefined;
      });
    return this.#work;
  }

  async #drain(): Promise<void> {
    await Promise.resolve(); // the step goes on first
    this.#run ??= await this.#openRun();
    while (this.#points.length > 0) await this.#sendPoints(this.#run);
    for (let artifact = this.#artifacts.shift(); artifact; artifact = this.#artifacts.shift())
      await this.#sendArtifact(this.#run, artifact);
    if (this.#outcome === undefined || this.#points.length > 0) return;
    await this.#client.endRun(this.#run.run_id, this.#outcome);
    this.#outcome = undefined;
  }

  async #sendPoints({ run_id }: MlflowRun): Promise<void> {
    const batch = this.#points.splice(0, maxBatch.metrics);
    try {
      await this.#client.logMetrics(run_id, batch);
    } catch (error) {
      this.#points.unshift(...batch);
      throw error;
    }
  }

  /** A server without room for files still takes metrics. */
  async #sendArtifact(run: MlflowRun, { path, content }: Artifact): Promise<void> {
    if (!this.#takesArtifacts) return;
    try {
      this.#takesArtifacts = await this.#client.logArtifact(run, path, content);
    } catch (error) {
      if (this.#stop.signal.aborted) throw error;
      this.#takesArtifacts = false;
      this.#options.say(`logger mlflow: files are not stored from here on: ${(error as Error).message}`);
    }
  }

  /** The MLflow run of a resumed run, else a new one with the settings as its parameters. */
  async #openRun(): Promise<MlflowRun> {
    const { uri, experiment } = this.#settings;
    const { dir, record } = this.#target;
    const link = await readLink(dir);
    const old = link?.uri === uri ? await this.#client.reopenRun(link.runId) : undefined;
    if (old) return old;
    const id = await this.#client.experimentId(experiment);
    const run = await this.#client.createRun(id, this.#config.trainer.experimentName, runTags(record));
    await writeFile(join(dir, linkFile), `${JSON.stringify({ uri, runId: run.run_id })}\n`);
    await this.#client.logParams(run.run_id, runParams(this.#config));
    await this.#sendArtifact(run, { path: "config.json", content: `${JSON.stringify(record, null, 2)}\n` });
    return run;
  }

  #sayTrouble(text: string): void {
    if (this.#saidTrouble) return;
    this.#saidTrouble = true;
    this.#options.say(`logger mlflow: ${this.#settings.uri}: ${text}; trying again while the run goes on`);
  }
}

async function readLink(dir: string): Promise<{ uri: string; runId: string } | undefined> {
  try {
    const link = JSON.parse(await readFile(join(dir, linkFile), "utf8")) as { uri?: unknown; runId?: unknown } | null;
    const { uri, runId } = link ?? {};
    return typeof uri === "string" && typeof runId === "string" ? { uri, runId } : undefined;
  } catch {
    return undefined; // not there, or cut short: a new run
  }
}
