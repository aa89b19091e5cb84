// The browser of these tests: Debian's chromium, or what PAPO_CHROMIUM names. Installed where that is possible.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export function findChromium(): string | undefined {
  const named = process.env["PAPO_CHROMIUM"];
  return named ?? places.find((path) => existsSync(path));
}

/** vitest's globalSetup: a root of a Debian machine gets the package; others are told. */
export default function setup(): void {
  if (findChromium() !== undefined) return;
  const canInstall = process.getuid?.() === 0 && existsSync("/usr/bin/apt-get");
  if (!canInstall) {
    console.warn("test/browser is skipped: no chromium; install it, or name one in PAPO_CHROMIUM");
    return;
  }
  console.warn("test/browser: installing chromium with apt-get");
  const options = { stdio: "ignore", env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } } as const;
  const install = () => execFileSync("apt-get", ["install", "-y", "--no-install-recommends", "chromium"], options);
  try {
    try {
      install();
    } catch {
      execFileSync("apt-get", ["update"], options);
      install();
    }
  } catch {
    console.warn("test/browser is skipped: chromium could not be installed; name one in PAPO_CHROMIUM");
  }
}

export async function launch(): Promise<Browser> {
  return await chromium.launch({
    executablePath: findChromium() ?? "",
    args: [
      ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
      ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
    ],
  });
}
