// A stand-in of an OpenAI-compatible service on 127.0.0.1, with the ways in which real ones misbehave.
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

export interface ChatRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: {
    readonly n: number;
    readonly seed: number;
    readonly model: string;
    readonly messages: readonly { role: string; content: unknown }[];
    readonly [key: string]: unknown;
  };
  readonly atMs: number;
}

/** Answers a request; returning nothing leaves it without an answer. */
export type Behaviour = (request: ChatRequest, response: ServerResponse, count: number) => void;

export interface ChatService {
  readonly baseUrl: string;
  readonly requests: ChatRequest[];
  behaviour: Behaviour;
  /** Requests being answered now, and the most at a time so far. */
  readonly load: { now: number; most: number };
}

/** The given texts as choices. */
export function choices(...texts: readonly (string | null)[]) {
  return {
    choices: texts.map((content, index) => ({ index, message: { role: "assistant", content }, finish_reason: "stop" })),
    usage: { completion_tokens: 7 },
  };
}

export function sendJson(
  response: ServerResponse,
  value: unknown,
  status = 200,
  headers: Record<string, string> = {},
): void {
  // prettier-ignore
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(value));
}

/** n choices, whose text names the row's question. */
export const wellBehaved: Behaviour = ({ body }, response) => {
  sendJson(response, choices(...Array.from({ length: body.n }, () => "\\boxed{1}")));
};

export async function startChatService(behaviour: Behaviour = wellBehaved): Promise<ChatService> {
  const load = { now: 0, most: 0 };
  const requests: ChatRequest[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    load.now += 1;
    load.most = Math.max(load.most, load.now);
    response.on("close", () => (load.now -= 1));
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      const body = (text === "" ? {} : JSON.parse(text)) as ChatRequest["body"];
      const received = { path: request.url ?? "", headers: request.headers, body, atMs: performance.now() };
      requests.push(received);
      service.behaviour(received, response, requests.length);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const service: ChatService = { baseUrl, requests, behaviour, load };
  return service;
}
