// Who gets an answer, asked of a real server as a browser or a foreign program would.
import { hostname } from "node:os";
import { beforeEach, expect, test } from "vitest";
import { isOwnHost } from "../../lib/dash/access.ts";
import { tempFolder } from "../support/temp.ts";
import { ask, openFor, writeRun } from "./run-folders.ts";

let folder: string;
beforeEach(() => {
  folder = writeRun(tempFolder(), [{ a: 1 }]);
});

test("a name that is not this machine's is refused: DNS rebinding", async () => {
  const { url } = await openFor([folder]);
  for (const host of ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1", "[::2]"])
    expect((await ask(url, "/api/runs", { headers: { host } })).status, host).toBe(403);
  for (const host of ["localhost", "LOCALHOST:1234", "127.0.0.1:9", "[::1]:80"])
    expect((await ask(url, "/api/runs", { headers: { host } })).status, host).toBe(200);
});

test("on an address that others reach, its own names are taken and no others", () => {
  expect(isOwnHost(`${hostname()}:80`, "0.0.0.0")).toBe(true);
  expect(isOwnHost("127.0.0.1", "0.0.0.0")).toBe(true);
  expect(isOwnHost("evil.example", "0.0.0.0")).toBe(false);
  expect(isOwnHost("192.0.2.77", "0.0.0.0")).toBe(false); // TEST-NET, no machine's
  expect(isOwnHost(hostname(), "127.0.0.1")).toBe(["localhost"].includes(hostname()));
  expect(isOwnHost(undefined, "127.0.0.1")).toBe(false);
});

test("another site's page gets nothing, a link from it opens the page alone", async () => {
  const { url } = await openFor([folder]);
  const { host } = new URL(url);
  const status = async (path: string, headers: Record<string, string>) => (await ask(url, path, { headers })).status;
  expect(await status("/api/runs", { origin: "https://evil.example" })).toBe(403);
  expect(await status("/api/runs", { origin: "null" })).toBe(403);
  expect(await status("/api/runs", { origin: `http://${host}` })).toBe(200);
  expect(await status("/api/runs", { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" })).toBe(403);
  expect(await status("/api/runs", { "sec-fetch-site": "same-site" })).toBe(403);
  expect(await status("/api/runs", { "sec-fetch-site": "same-origin" })).toBe(200);
  expect(await status("/", { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" })).toBe(200);
});

test("it only reads", async () => {
  const { url } = await openFor([folder]);
  for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
    expect(await ask(url, "/api/runs", { method }), method).toMatchObject({
      status: 405,
      headers: { allow: "GET, HEAD" },
    });
  expect(await ask(url, "/api/runs", { method: "HEAD" })).toMatchObject({ status: 200, body: Buffer.alloc(0) });
});

test("with a token nothing is told without it; the link with it sets a cookie that scripts cannot read", async () => {
  const token = "0123456789abcdef";
  const { url } = await openFor([folder], { token });
  expect(url).toMatch(/\/\?token=0123456789abcdef$/u);
  for (const path of ["/", "/api/runs", "/api/events", "/?token=0123456789abcdeX", "/api/runs?token=0123456789abcdef"])
    expect((await ask(url, path)).status, path).toBe(401);
  const opened = await ask(url, `/?token=${token}`);
  expect(opened).toMatchObject({ status: 303, headers: { location: "/" } });
  const cookie = String(opened.headers["set-cookie"]);
  expect(cookie).toMatch(/^papo-dash-\d+=0123456789abcdef; .*HttpOnly; SameSite=Strict$/u);
  const ok = await ask(url, "/api/runs", { headers: { cookie: cookie.split(";")[0] ?? "" } });
  expect(ok.status).toBe(200);
  expect((await ask(url, "/api/runs", { headers: { authorization: `Bearer ${token}` } })).status).toBe(200);
  expect((await ask(url, "/api/runs", { headers: { authorization: "Bearer wrong" } })).status).toBe(401);
});

test("every answer says what a browser may do with it", async () => {
  const { url } = await openFor([folder]);
  for (const path of ["/", "/api/runs", "/nothing"]) {
    const { headers } = await ask(url, path);
    expect(headers["content-security-policy"], path).toContain("default-src 'none'; script-src 'self'");
    expect(headers["content-security-policy"], path).not.toContain("unsafe");
    expect(headers, path).toMatchObject({ "x-content-type-options": "nosniff", "x-frame-options": "DENY" });
  }
});
