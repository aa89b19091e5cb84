// Who may ask the dashboard: no other site's page (Host and Origin), nobody without the token where there is one.
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { hostname, networkInterfaces } from "node:os";
import { isIP } from "node:net";
import type { MiddlewareHandler } from "hono";
import { getCookie, setCookie } from "hono/cookie";

export interface AccessOptions {
  /** The address that is listened on. */
  readonly host: string;
  readonly port: () => number;
  /** Undefined: none is asked for. */
  readonly token: string | undefined;
}

export const minTokenLength = 16;

/** 256 random bits. */
export function newToken(): string {
  return randomBytes(32).toString("base64url");
}

/** Addresses that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/u.test(host);
}

/**
 * Whether the name in a Host header is one of this machine. Another name that leads here is how a foreign page would
 * read what is listened on for this machine alone (DNS rebinding).
 */
export function isOwnHost(header: string | undefined, listened: string): boolean {
  const name = hostName(header);
  if (name === undefined) return false;
  if (isLoopback(name)) return true;
  if (isLoopback(listened)) return false;
  return name === listened.toLowerCase() || name === hostname().toLowerCase() || ownAddresses().has(name);
}

/** Without the port, in lower case, IPv6 without brackets. */
function hostName(header: string | undefined): string | undefined {
  if (header === undefined || !/^[\w.:[\]-]+$/u.test(header)) return undefined;
  const url = URL.parse(`http://${header}/`);
  return url?.hostname.replace(/^\[|\]$/gu, "");
}

function ownAddresses(): Set<string> {
  return new Set(
    Object.values(networkInterfaces())
      .flat()
      .flatMap((one) => (one && isIP(one.address) !== 0 ? [one.address] : [])),
  );
}

/** Answers what may not ask; sets the cookie for a page that was opened with the token. */
export function access({ host, port, token }: AccessOptions): MiddlewareHandler {
  // Cookies are shared by all ports of a host.
  const cookie = () => `papo-dash-${port()}`;
  return async (context, next) => {
    const { req } = context;
    if (req.method !== "GET" && req.method !== "HEAD") {
      return context.text("the dashboard only reads\n", 405, { Allow: "GET, HEAD" });
    }
    const asked = req.header("host");
    if (!isOwnHost(asked, host)) return context.text("not a name of this machine\n", 403);
    const origin = req.header("origin");
    const isForeign = origin !== undefined && origin !== `http://${asked ?? ""}`;
    const site = req.header("sec-fetch-site");
    const isNavigation = req.header("sec-fetch-mode") === "navigate" && req.path === "/";
    if (isForeign || (site !== undefined && !["same-origin", "none"].includes(site) && !isNavigation))
      return context.text("asked by another site\n", 403);
    if (token === undefined) {
      await next();
      return undefined;
    }
    const given = req.query("token");
    if (given !== undefined && req.path === "/" && isSame(given, token)) {
      setCookie(context, cookie(), token, { httpOnly: true, sameSite: "Strict", path: "/" });
      return context.redirect("/", 303);
    }
    const bearer = /^Bearer (.+)$/u.exec(req.header("authorization") ?? "")?.[1];
    if (!isSame(getCookie(context, cookie()) ?? bearer ?? "", token))
      return context.text("open the address that papo dash printed: it has the token\n", 401);
    await next();
    return undefined;
  };
}

/** In a time that does not tell how much is right. */
function isSame(given: string, expected: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
