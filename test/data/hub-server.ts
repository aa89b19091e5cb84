// A stand-in of the Hugging Face hub on 127.0.0.1: the calls that papo makes, with ranges, tokens and broken connections.
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

export const commit = "0123456789abcdef0123456789abcdef01234567";

export interface HubServer {
  readonly endpoint: string;
  /** `METHOD path range` of each request. */
  readonly requests: string[];
  /** Changes how the hub behaves. */
  readonly behaviour: {
    /** Refuse requests without this token. */
    token?: string;
    /** Answer everything with this status. */
    status?: number;
    /** Cut this many downloads after half of what they asked for. */
    cuts: number;
    /** Serve other bytes than listed. */
    corrupt?: boolean;
    /** List files under these names instead. */
    renamed?: Readonly<Record<string, string>>;
    commit: string;
  };
  readonly close: () => Promise<void>;
}

/** @param repos repository (`org/name` or `datasets/org/name`) -> file -> content; files over 100 bytes are LFS files */
export async function startHub(
  repos: Readonly<Record<string, Readonly<Record<string, Uint8Array>>>>,
): Promise<HubServer> {
  const requests: string[] = [];
  const behaviour: HubServer["behaviour"] = { cuts: 0, commit };
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url} ${request.headers.range ?? ""}`.trim());
    answer(request, response, repos, behaviour);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => new Promise<void>((resolve) => (server.closeAllConnections(), server.close(() => { resolve(); }))); // prettier-ignore
  onTestFinished(() => close().catch(() => undefined));
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests, behaviour, close };
}

type Repos = Parameters<typeof startHub>[0];

function answer(request: IncomingMessage, response: ServerResponse, repos: Repos, how: HubServer["behaviour"]): void {
  const url = new URL(request.url ?? "", "http://hub");
  const fail = (status: number) => {
    response
      .writeHead(status, { "content-type": "application/json" })
      .end(JSON.stringify({ error: `status ${status}` }));
  };
  if (how.status !== undefined) {
    fail(how.status);
    return;
  }
  if (how.token !== undefined && request.headers.authorization !== `Bearer ${how.token}`) {
    fail(401);
    return;
  }
  const api = /^\/api\/(models|datasets)\/([^/]+\/[^/]+)\/(revision|tree)\/(.+)$/.exec(url.pathname);
  const resolve = /^\/((?:datasets\/)?[^/]+\/[^/]+)\/resolve\/[^/]+\/(.+)$/.exec(url.pathname);
  const repo = api ? `${api[1] === "datasets" ? "datasets/" : ""}${api[2]}` : (resolve?.[1] ?? "");
  const files = repos[repo];
  if (!files || (api?.[3] === "revision" && !["main", how.commit].includes(api[4] ?? ""))) {
    fail(404);
    return;
  }
  if (api?.[3] === "revision") response.end(JSON.stringify({ _id: "1", id: repo, sha: how.commit }));
  else if (api) listTree(url, response, files, how);
  else sendFile(request, response, files[decodeURIComponent(resolve?.[2] ?? "")], how);
}

/** Two entries a page, as the hub pages long listings. */
function listTree(url: URL, response: ServerResponse, files: Repos[string], how: HubServer["behaviour"]): void {
  const entries = Object.entries(files).map(([path, content]) => {
    const oid = createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
    const lfs = { oid: createHash("sha256").update(content).digest("hex"), size: content.length, pointerSize: 130 };
    const name = how.renamed?.[path] ?? path;
    return { type: "file", path: name, size: content.length, oid, ...(content.length > 100 ? { lfs } : {}) };
  });
  const from = Number(url.searchParams.get("cursor") ?? 0);
  if (from + 2 < entries.length) {
    url.searchParams.set("cursor", String(from + 2));
    response.setHeader("link", `<http://${response.req.headers.host}${url.pathname}${url.search}>; rel="next"`);
  }
  response.setHeader("content-type", "application/json").end(JSON.stringify(entries.slice(from, from + 2)));
}

function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  content: Uint8Array | undefined,
  how: HubServer["behaviour"],
): void {
  if (!content) {
    response.writeHead(404, { "x-error-code": "EntryNotFound" }).end();
    return;
  }
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
  const [start, end] = range ? [Number(range[1]), Math.min(Number(range[2]) + 1, content.length)] : [0, content.length];
  const body = Buffer.from(content.subarray(start, end));
  if (how.corrupt && body.length > 1) body.writeUInt8(body.readUInt8(0) ^ 1, 0);
  response.writeHead(range ? 206 : 200, {
    etag: '"x"',
    "content-length": body.length,
    ...(range ? { "content-range": `bytes ${start}-${end - 1}/${content.length}` } : {}),
  });
  if (how.cuts > 0 && body.length > 1) {
    how.cuts -= 1;
    response.write(body.subarray(0, body.length >> 1), () => setTimeout(() => response.destroy(), 20));
  } else response.end(body);
}
