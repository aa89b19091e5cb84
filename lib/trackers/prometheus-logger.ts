// The newest metrics of a run for Prometheus to fetch: http://127.0.0.1:9464/metrics.
import { createHash, timingSafeEqual } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Gauge, Registry } from "prom-client";
import { ConfigError } from "../errors.ts";
import type { Logger } from "../trainer/loggers.ts";
import { metricRow } from "../trainer/metrics.ts";
import type { StepMetrics } from "../types.ts";
import { isLoopback } from "./loopback.ts";

export interface PrometheusSettings {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** A file with the token that fetching needs; null: none is needed. */
  readonly tokenFile: string | null;
}

export class PrometheusLogger implements Logger {
  readonly name = "prometheus";
  /** Where the metrics are. */
  readonly url: string;
  readonly #registry: Registry;
  readonly #gauges = new Map<string, Gauge>();
  readonly #server: Server;

  private constructor(registry: Registry, server: Server, host: string) {
    this.#registry = registry;
    this.#server = server;
    const { port } = server.address() as AddressInfo;
    this.url = `http://${host.includes(":") ? `[${host}]` : host}:${port}/metrics`;
  }

  /**
   * Serves until closed; the server does not keep the process alive.
   * @param runName the label `run` of every metric
   * @throws {ConfigError} when the token's file is unreadable or empty
   * @throws {Error} when the port is in use
   */
  static async start({ host, port, tokenFile }: PrometheusSettings, runName: string): Promise<PrometheusLogger> {
    const token = tokenFile === null ? undefined : await readToken(tokenFile);
    if (token === undefined && !isLoopback(host))
      throw new ConfigError("trainer.prometheus.tokenFile", `expected a file, as others reach ${host}, got null`);
    const registry = new Registry();
    registry.setDefaultLabels({ run: runName });
    const server = createServer((request, response) => {
      void answer(request, response, registry, token);
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, resolve);
    });
    server.unref();
    return new PrometheusLogger(registry, server, host);
  }

  logStep(step: number, metrics: StepMetrics): void {
    this.#set("step", "The newest step", step);
    this.#set("logged_timestamp_seconds", "When it was logged, seconds since 1970", Date.now() / 1000);
    for (const [name, value] of Object.entries(metrics)) {
      const unit = metricRow(name)?.unit;
      this.#set(name, unit === undefined || unit === "1" ? name : `${name}, ${unit}`, value);
    }
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Names that differ only in what Prometheus does not allow share a gauge. */
  #set(name: string, help: string, value: number): void {
    const key = `papo_${name.replaceAll(/\W/gu, "_")}`;
    const gauge = this.#gauges.get(key) ?? new Gauge({ name: key, help, registers: [this.#registry] });
    this.#gauges.set(key, gauge);
    gauge.set(value);
  }
}

async function readToken(path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw new ConfigError("trainer.prometheus.tokenFile", (error as Error).message);
  });
  if (text.trim() === "")
    throw new ConfigError("trainer.prometheus.tokenFile", `expected a token in ${path}, got nothing`);
  return text.trim();
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  registry: Registry,
  token: string | undefined,
): Promise<void> {
  const refuse = (status: number, headers: Record<string, string> = {}) => {
    response.writeHead(status, { "content-type": "text/plain", ...headers }).end(`${status}\n`);
  };
  if (token !== undefined && !isSame(request.headers.authorization ?? "", `Bearer ${token}`))
    refuse(401, { "www-authenticate": "Bearer" });
  // A page in a browser of this machine must not read it under a name of its own.
  else if (token === undefined && !isLoopback(hostOf(request))) refuse(403);
  else if (request.method !== "GET" && request.method !== "HEAD") refuse(405, { allow: "GET, HEAD" });
  else if (request.url?.split("?")[0] !== "/metrics") refuse(404);
  else response.writeHead(200, { "content-type": registry.contentType }).end(await registry.metrics());
}

function hostOf(request: IncomingMessage): string {
  return (request.headers.host ?? "").replace(/:\d+$/u, "").replace(/^\[(.*)\]$/u, "$1");
}

/** Takes as long for a guess that begins right. */
function isSame(given: string, expected: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
