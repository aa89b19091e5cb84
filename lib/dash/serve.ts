// Starts and ends the dashboard's server.
import { createServer, type Server } from "node:http";
import { resolve } from "node:path";
import { getRequestListener } from "@hono/node-server";
import { ConfigError } from "../errors.ts";
import { isLoopback } from "./access.ts";
import { createApp } from "./app.ts";
import { findRuns } from "./find-runs.ts";
import { Watcher } from "./watcher.ts";
import { loadWebFiles } from "./web-files.ts";

export interface DashboardOptions {
  readonly folders: readonly string[];
  /** 0: any free one. */
  readonly port: number;
  readonly host: string;
  /** Undefined: none is asked for, which is for this machine alone. */
  readonly token?: string | undefined;
  /** Gets one line about what cannot be read. */
  readonly warn?: (line: string) => void;
}

export interface Dashboard extends AsyncDisposable {
  /** To open, with the token where there is one. */
  readonly url: string;
  readonly numRuns: number;
}

const maxConnections = 256;

/**
 * @throws {ConfigError} a folder without a run, a port in use, an address that is not this machine's, and one that
 *   others reach without a token
 */
export async function openDashboard(options: DashboardOptions): Promise<Dashboard> {
  const { folders, port, host, token, warn = () => undefined } = options;
  if (!isLoopback(host) && token === undefined)
    throw new ConfigError("--host", `expected --token with ${host}, which other machines reach`);
  const [runs, web] = await Promise.all([findRuns(folders), loadWebFiles()]);
  let listening = 0;
  const app = createApp({
    ...{ runs, web, evaluationFolders: folders.map((path) => resolve(path)) },
    access: { host, port: () => listening, token },
  });
  const handle = getRequestListener(app.fetch);
  const server = createServer((request, response) => void handle(request, response));
  server.maxConnections = maxConnections;
  listening = await listen(server, { port, host });
  const watcher = new Watcher(runs, warn);
  const name = host.includes(":") ? `[${host}]` : host;
  return {
    url: `http://${name}:${listening}/${token === undefined ? "" : `?token=${token}`}`,
    numRuns: runs.length,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await watcher[Symbol.asyncDispose]();
    },
  };
}

async function listen(server: Server, address: { readonly port: number; readonly host: string }): Promise<number> {
  await new Promise<void>((resolveListening, reject) => {
    server.once("error", (error) => {
      reject(listenError(error, address));
    });
    server.listen(address, () => {
      resolveListening();
    });
  });
  const bound = server.address();
  return typeof bound === "object" && bound ? bound.port : address.port;
}

function listenError(error: NodeJS.ErrnoException, { port, host }: { port: number; host: string }): Error {
  switch (error.code) {
    case "EADDRINUSE":
      return new ConfigError("--port", `expected a free port, ${port} of ${host} is in use; 0 takes any free one`);
    case "EACCES":
      return new ConfigError("--port", `expected a port that you may listen on, got ${port}`);
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return new ConfigError("--host", `expected an address of this machine, got ${host}`);
    default:
      return error;
  }
}
