// One timed step of either side, and the check that both compute the same numbers.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { SetupError, root } from "../lib/project.mjs";

/** @typedef {import("./shapes.mjs").Shape} Shape */
/** @typedef {Readonly<Record<string, number>>} Timing seconds by phase (`rollout_s`, ...), tokens, peak_rss_gib */
/** @typedef {{ model: string, workload: string, threads: number }} Job */

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {number} [allowed] another exit code that is no failure
 * @returns {any} the JSON object of the last line printed
 */
function lastLine(command, args, allowed = 0) {
  const result = spawnSync(command, args, { encoding: "utf8", maxBuffer: 2 ** 28 });
  if (result.status !== 0 && result.status !== allowed)
    throw new SetupError(
      `${[command, ...args].join(" ")}\nended with ${result.signal ?? result.status}:\n${result.stderr}`,
    );
  return JSON.parse(result.stdout.trim().split("\n").at(-1) ?? "");
}

/**
 * @param {Shape} shape
 * @param {Job} job
 * @param {readonly string[]} more
 * @returns {Timing}
 */
export function papoStep({ n, response, lengths }, { model, workload, threads }, more = []) {
  const sizes = ["--n", String(n), "--response", String(response), "--threads", String(threads)];
  const ends = lengths === undefined ? [] : ["--lengths", lengths];
  const main = join(root, "dist", "cli", "main.js");
  return lastLine(process.execPath, [main, "bench", "step", model, workload, ...sizes, ...ends, "--json", ...more]);
}

/**
 * @param {Shape} shape
 * @param {Job} job
 * @param {{ python: string, reference: string }} peer
 * @returns {Timing}
 */
export function peerStep({ n, response }, { model, workload, threads }, { python, reference }) {
  const sizes = ["--n", String(n), "--response", String(response), "--threads", String(threads)];
  return lastLine(python, [join(reference, "peer_step.py"), model, workload, ...sizes]);
}

/**
 * The largest differences of papo's recorded log-probs from transformers'.
 * @param {string} record
 * @param {Job} job
 * @param {{ python: string }} peer
 * @returns {{ ref: number, aug: number, tokens: number, tolerance: number }}
 */
export function checkLogProbs(record, { model, workload, threads }, { python }) {
  const script = join(import.meta.dirname, "check_log_probs.py");
  return lastLine(python, [script, model, workload, record, "--threads", String(threads)], 1);
}
