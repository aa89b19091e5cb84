// The environment variables of the Hugging Face tools, which the hub library itself does not read.
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "../errors.ts";

export interface HubSettings {
  /** Without a slash at the end. */
  readonly endpoint: string;
  readonly token: string | undefined;
  /** Holds `models--org--name` and `datasets--org--name`. */
  readonly cacheDir: string;
  readonly offline: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * HF_ENDPOINT; HF_TOKEN or the file that `hf auth login` writes; HF_HUB_CACHE, HF_HOME or XDG_CACHE_HOME for the cache;
 * HF_HUB_OFFLINE.
 * @throws {ConfigError} when HF_ENDPOINT or HF_TOKEN cannot be one
 */
export async function hubSettings(env: Environment = process.env): Promise<HubSettings> {
  const home = filled(env.HF_HOME) ?? join(filled(env.XDG_CACHE_HOME) ?? join(homedir(), ".cache"), "huggingface");
  const cache = filled(env.HF_HUB_CACHE) ?? filled(env.HUGGINGFACE_HUB_CACHE) ?? join(home, "hub");
  return {
    endpoint: checkEndpoint(filled(env.HF_ENDPOINT) ?? "https://huggingface.co"),
    token: await findToken(env, expandHome(home)),
    cacheDir: expandHome(cache),
    offline: /^(1|on|yes|true)$/i.test(env.HF_HUB_OFFLINE ?? ""),
  };
}

function checkEndpoint(endpoint: string): string {
  if (!/^https?:\/\/[^/]/.test(endpoint) || !URL.canParse(endpoint))
    throw new ConfigError("HF_ENDPOINT", `expected an http or https address, got ${JSON.stringify(endpoint)}`);
  return endpoint.replace(/\/+$/, "");
}

async function findToken(env: Environment, home: string): Promise<string | undefined> {
  const path = expandHome(filled(env.HF_TOKEN_PATH) ?? join(home, "token"));
  const given = filled(env.HF_TOKEN) ?? filled(env.HUGGING_FACE_HUB_TOKEN);
  const token = given ?? filled(await readFile(path, "utf8").catch(() => undefined));
  if (token === undefined || token.startsWith("hf_")) return token;
  throw new ConfigError(given === undefined ? path : "HF_TOKEN", "expected a token that starts with hf_");
}

const filled = (value: string | undefined) => (value === undefined || value.trim() === "" ? undefined : value.trim());

const expandHome = (path: string) => (path === "~" || path.startsWith("~/") ? join(homedir(), path.slice(1)) : path);
