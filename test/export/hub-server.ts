// A stand-in of the hub's side of an upload on 127.0.0.1: repositories, LFS files checked by size and sha256, one commit.
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

export interface UploadHub {
  readonly endpoint: string;
  /** Repository -> visibility and files. */
  readonly repos: Map<string, { readonly visibility: string; readonly files: Map<string, Buffer> }>;
  readonly requests: string[];
  readonly behaviour: { token: string; fail?: { readonly path: RegExp; readonly status: number } };
}

const uploadable = 100; // bytes; larger files are LFS files

export async function startUploadHub(): Promise<UploadHub> {
  const hub: Omit<UploadHub, "endpoint"> = { repos: new Map(), requests: [], behaviour: { token: "hf_right" } };
  const objects = new Map<string, Buffer>();
  const server = createServer((request, response) => {
    answer(request, response).catch(() => undefined); // a client that broke off
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const url = decodeURIComponent(request.url ?? "").split("?")[0] ?? "";
    hub.requests.push(`${request.method} ${url}`);
    const send = (status: number, value: unknown = {}) => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    };
    const { fail, token } = hub.behaviour;
    if (fail?.path.test(url)) {
      send(fail.status, { error: "as told" });
      return;
    }
    const put = /^\/objects\/([0-9a-f]{64})$/u.exec(url)?.[1];
    if (put !== undefined) {
      const isSame = createHash("sha256").update(body).digest("hex") === put;
      objects.set(put, body);
      send(isSame ? 200 : 400);
      return;
    }
    if (request.headers.authorization !== `Bearer ${token}`) {
      send(401, { error: "token" });
      return;
    }
    if (url === "/api/repos/create") {
      const { name, organization, visibility, type } = JSON.parse(body.toString()) as Record<string, string>;
      const id = `${organization}/${name}`;
      if (hub.repos.has(id) || type !== "model") send(409, { error: "there already" });
      else {
        hub.repos.set(id, { visibility: visibility ?? "", files: new Map() });
        send(200, { url: `${endpoint}/${id}`, id });
      }
      return;
    }
    const [, repo = "", call = ""] =
      /^\/(?:api\/models\/)?([^/]+\/[^/.]+)(?:\.git)?\/(info\/lfs\/objects\/batch|preupload\/main|commit\/main|tree\/main)$/u.exec(url) ?? []; // prettier-ignore
    const files = hub.repos.get(repo)?.files;
    if (!files) send(404, { error: url });
    else if (call === "preupload/main") {
      const listed = (JSON.parse(body.toString()) as { files: { path: string; size: number }[] }).files;
      send(200, {
        files: listed.map(({ path, size }) => ({ path, uploadMode: size > uploadable ? "lfs" : "regular" })),
      });
    } else if (call === "info/lfs/objects/batch") {
      const asked = (JSON.parse(body.toString()) as { objects: { oid: string; size: number }[] }).objects;
      const upload = (oid: string) =>
        objects.has(oid) ? {} : { actions: { upload: { href: `${endpoint}/objects/${oid}` } } };
      send(200, { transfer: "basic", objects: asked.map(({ oid, size }) => ({ oid, size, ...upload(oid) })) });
    } else if (call === "commit/main") {
      for (const line of body.toString().split("\n")) apply(files, JSON.parse(line) as CommitLine);
      send(200, { commitOid: "c".repeat(40), commitUrl: `${endpoint}/${repo}/commit/${"c".repeat(40)}` });
    } else
      send(
        200,
        [...files].map(([path, content]) => ({ type: "file", path, size: content.length, oid: "0" })),
      );
  }

  function apply(files: Map<string, Buffer>, { key, value }: CommitLine): void {
    if (key === "file") files.set(value.path, Buffer.from(value.content ?? "", "base64"));
    else if (key === "lfsFile") files.set(value.path, objects.get(value.oid ?? "") ?? Buffer.alloc(0));
    else if (key === "deletedFile") files.delete(value.path);
    else if (key !== "header") throw new Error(`unknown ${key}`);
  }

  return { ...hub, endpoint };
}

interface CommitLine {
  readonly key: string;
  readonly value: { readonly path: string; readonly content?: string; readonly oid?: string };
}
