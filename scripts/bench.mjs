// Times papo's training step against PyTorch's on this machine: the same checkpoint, prompts and sizes, one after the
// other, several times; and checks that both compute the same log-probs. Prints Markdown.
// usage: npm run bench -- [--quick] [--shapes s,m,...] [--repetitions 3] [--threads 2] [--reference DIR]
//        [--python FILE] [--dir DIR] [--json FILE]       --quick: s alone, once
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadNative } from "../dist/native/load.js";
import { findPython, findReference } from "./bench/peer.mjs";
import { checkLogProbs, papoStep, peerStep } from "./bench/runs.mjs";
import { prepareShape, shapes } from "./bench/shapes.mjs";
import { markdownTable, shapeRows } from "./bench/table.mjs";
import { SetupError } from "./lib/project.mjs";

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    shapes: { type: "string", default: shapes.map(({ name }) => name).join() },
    repetitions: { type: "string", default: "3" },
    threads: { type: "string", default: "2" },
    reference: { type: "string" },
    python: { type: "string" },
    dir: { type: "string", default: join(tmpdir(), "papo-bench") },
    json: { type: "string" },
  },
});

/**
 * @param {string} name
 * @param {string} text
 */
function count(name, text) {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new SetupError(`--${name}: expected an integer >= 1, got ${text}`);
}

/** @returns {import("./bench/shapes.mjs").Shape[]} */
function chosenShapes() {
  return (options.quick ? "s" : options.shapes).split(",").map((name) => {
    const shape = shapes.find((known) => known.name === name.trim());
    if (shape) return shape;
    throw new SetupError(`--shapes: expected some of ${shapes.map(({ name }) => name).join()}, got ${name}`);
  });
}

/**
 * What the ratios are against: who multiplies matrices here, and how fast.
 * @param {import("./bench/peer.mjs").TorchDescription} peer
 * @param {number} threads
 */
async function describeMachine(peer, threads) {
  const native = loadNative();
  await native.setNumThreads(threads);
  const { floatProduct, torchVersion, cpuCapability } = native.runtimeInfo();
  const rate = (/** @type {number} */ flops) => `${(flops / 1e9).toFixed(0)} GFLOP/s`;
  const processor = cpus()[0]?.model.trim() ?? process.arch;
  const heldBack = peer.mkl && processor.includes("AMD");
  return [
    `processor: ${processor}, ${threads} threads`,
    `papo: libtorch ${torchVersion} (${cpuCapability}), float32 products by ${floatProduct}: ${rate(await native.productRate())}`,
    `peer: torch ${peer.torch} (${peer.cpuCapability}), transformers ${peer.transformers}, float32 products by ` +
      `${peer.mkl ? "MKL" : "another BLAS"}: ${rate(peer.productRate)}`,
    heldBack
      ? "The peer's products are held back here: MKL takes its AVX2 path on AMD processors."
      : "Nothing holds the peer's products back here.",
  ];
}

/**
 * @param {import("./bench/shapes.mjs").Shape} shape
 * @param {import("./bench/runs.mjs").Job} job
 * @param {{ python: string, reference: string, repetitions: number, record: string }} how
 */
function timeShape(shape, job, { python, reference, repetitions, record }) {
  /** @type {{ papo: import("./bench/runs.mjs").Timing[], peer: import("./bench/runs.mjs").Timing[] }} */
  const pairs = { papo: [], peer: [] };
  for (let run = 0; run < repetitions; run += 1) {
    if (shape.lengths === undefined) pairs.peer.push(peerStep(shape, job, { python, reference }));
    pairs.papo.push(papoStep(shape, job, run === 0 ? ["--record", record] : []));
  }
  return pairs;
}

async function main() {
  const threads = count("threads", options.threads);
  const repetitions = options.quick ? 1 : count("repetitions", options.repetitions);
  const chosen = chosenShapes();
  const reference = findReference(options.reference);
  const { python, description } = findPython(options.python, threads);
  mkdirSync(options.dir, { recursive: true });
  const machine = await describeMachine(description, threads);
  console.log(`${machine.join("\n")}\n`);
  const results = [];
  for (const shape of chosen) {
    const job = { ...(await prepareShape(shape, { dir: options.dir, reference, python })), threads };
    const record = join(options.dir, `${shape.name}-record.json`);
    const pairs = timeShape(shape, job, { python, reference, repetitions, record });
    const check = checkLogProbs(record, job, { python });
    const largest = `ref ${check.ref.toExponential(1)}, masked ${check.aug.toExponential(1)}`;
    console.log(`${shape.name}: ${shape.what}; ${repetitions} runs`);
    console.log(markdownTable(["", "papo", "peer", "peer / papo"], shapeRows(pairs)));
    console.log(`log-probs of ${check.tokens} tokens against transformers', largest difference: ${largest}\n`);
    if (Math.max(check.ref, check.aug) > check.tolerance) {
      console.log(`FAILED: differences over ${check.tolerance}`);
      process.exitCode = 1;
    }
    results.push({ shape, pairs, check });
  }
  if (options.json) writeFileSync(options.json, JSON.stringify({ machine, results }));
}

try {
  await main();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`papo bench: ${error.message}`);
  process.exitCode = 1;
}
