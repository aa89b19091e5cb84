import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { StepMetrics } from "../types.ts";

/** Highest resident memory of this process so far, in bytes. */
export function peakMemoryBytes(): number {
  return process.resourceUsage().maxRSS * 1024;
}

/** Peak and present memory. A CPU build's device memory is the process's own, all of which counts as reserved. */
export function memoryMetrics(): StepMetrics {
  const peak = peakMemoryBytes() / 1e9;
  return {
    "perf/max_memory_allocated_gb": peak,
    "perf/max_memory_reserved_gb": peak,
    "perf/cpu_memory_used_gb": process.memoryUsage.rss() / 1e9,
  };
}

/** Where a folder stands in git. */
export interface GitState {
  readonly commit: string;
  /** undefined on a detached head. */
  readonly branch: string | undefined;
  /** Tracked files differ from the commit. */
  readonly dirty: boolean;
}

const gitTimeoutMs = 5000;

/** The git state of the folder; undefined when it is in no repository, git is absent or does not answer. */
export async function gitState(dir: string): Promise<GitState | undefined> {
  try {
    const commit = await git(dir, "rev-parse", "HEAD");
    const branch = await git(dir, "branch", "--show-current");
    const changes = await git(dir, "status", "--porcelain", "--untracked-files=no");
    return { commit, branch: branch === "" ? undefined : branch, dirty: changes !== "" };
  } catch {
    return undefined;
  }
}

async function git(dir: string, ...args: readonly string[]): Promise<string> {
  // No optional locks: a training run must not disturb a commit that the user makes meanwhile.
  const { stdout } = await promisify(execFile)("git", ["--no-optional-locks", "-C", dir, ...args], {
    timeout: gitTimeoutMs,
    windowsHide: true,
  });
  return stdout.trim();
}
