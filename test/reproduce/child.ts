// Reproduces a table of a tiny study into the folder of the first argument, for tests that kill it on the way.
import { reproduce } from "../../lib/reproduce/reproduce.ts";
import { tinyStudy } from "./tiny-study.ts";

const [out = "", ...names] = process.argv.slice(2);
await reproduce({
  ...{ study: tinyStudy(), names, out, seeds: 1, mode: "run" },
  only: ["grpo", "papo_g"],
  print: (text) => void process.stdout.write(text),
});
