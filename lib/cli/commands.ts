// Which commands there are. Each is one thin file beside this one; it imports what it needs inside its action, so that
// `papo --help` stays fast. A new command is one import and one call here.
import type { Command } from "@commander-js/extra-typings";
import { registerAttention } from "./attention.ts";
import { registerBench } from "./bench.ts";
import { registerClean } from "./clean.ts";
import { registerCompare } from "./compare.ts";
import { registerConfig } from "./config.ts";
import { registerDash } from "./dash.ts";
import { registerDoctor } from "./doctor.ts";
import { registerEval } from "./eval.ts";
import { registerExport } from "./export.ts";
import { registerGenerate } from "./generate.ts";
import { registerGrade } from "./grade.ts";
import { registerKlMap } from "./kl-map.ts";
import { registerLeaks } from "./leaks.ts";
import { registerMask } from "./mask.ts";
import { registerPlan } from "./plan.ts";
import { createProgram } from "./program.ts";
import { registerQuickstart } from "./quickstart.ts";
import { registerReproduce } from "./reproduce.ts";
import { registerRuns } from "./runs.ts";
import { registerSaliency } from "./saliency.ts";
import { registerSetup } from "./setup.ts";
import { registerSft } from "./sft.ts";
import { registerTrain } from "./train.ts";
import { registerVerify } from "./verify.ts";
import { registerWatch } from "./watch.ts";

/** The whole command line, not parsed yet. */
export function createCommandLine(): Command {
  const program = createProgram();
  registerAttention(program);
  registerBench(program);
  registerClean(program);
  registerCompare(program);
  registerConfig(program);
  registerDash(program);
  registerDoctor(program);
  registerEval(program);
  registerExport(program);
  registerGenerate(program);
  registerGrade(program);
  registerKlMap(program);
  registerLeaks(program);
  registerMask(program);
  registerPlan(program);
  registerQuickstart(program);
  registerReproduce(program);
  registerRuns(program);
  registerSaliency(program);
  registerSetup(program);
  registerSft(program);
  registerTrain(program);
  registerVerify(program);
  registerWatch(program);
  return program;
}
