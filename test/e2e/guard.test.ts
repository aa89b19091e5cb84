// Real runs whose perception weight is far too large: the tiny model's perception KL grows tenfold in eight steps while
// its reward falls.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AlarmLine } from "../../lib/guard/guard.ts";
import { runPapo } from "../support/processes.ts";
import {
  freshPath,
  jsonLines,
  makeWorld,
  numLogged,
  removeWorld,
  startPapo,
  steadyMetrics,
  trainWords,
  type World,
} from "./world.ts";

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => {
  removeWorld(world);
});

const lastStep = 14;
const coef = 5;

function words(out: string, ...more: string[]): string[] {
  const guard = ["warmupSteps=0", "window=2", "reference=4", "lag=4", "patience=1", "thresholds.sigmas=1"];
  return trainWords(
    world,
    "miniature-papo",
    out,
    ...[`algorithm.klPrcp.coef=${coef}`, "aug.grad=recompute", "algorithm.klRef.mode=off", "optim.warmupRatio=0.7"],
    ...[`trainer.maxSteps=${lastStep}`, "trainer.totalEpochs=7", "trainer.saveLimit=-1", "trainer.samplesPerStep=0"],
    ...guard.map((setting) => `guard.${setting}`),
    ...more,
  );
}

function run(...more: string[]) {
  const out = freshPath(world, "run");
  return { out, ...runPapo(words(out, ...more)) };
}

const alarms = (out: string) => jsonLines(join(out, "alarms.jsonl")) as unknown as (AlarmLine & { step: number })[];
const collapses = (out: string) => alarms(out).filter(({ signal }) => signal === "collapse");
const withoutGuard = (out: string) =>
  steadyMetrics(out).map((line) =>
    Object.fromEntries(Object.entries(line).filter(([name]) => !name.startsWith("guard/"))),
  );

function checkpointFile(out: string, file: string): Buffer {
  return readFileSync(join(out, "checkpoints", `step-${lastStep.toString().padStart(6, "0")}`, file));
}

test("a run that collapses is warned of without changing a number, and a stopped one can go on", () => {
  const warned = run("guard.action=warn");
  expect(warned.status).toBe(0);
  const [collapse] = collapses(warned.out);
  expect(collapse).toMatchObject({ event: "start", action: "warn" });
  const step = collapse?.step ?? 0;
  expect(step).toBeLessThan(lastStep - 1);
  const starts = alarms(warned.out).filter(({ event }) => event === "start");
  expect(warned.stderr.split("\n").filter((line) => line.startsWith("guard: step "))).toHaveLength(starts.length);

  const unwatched = freshPath(world, "run");
  const plain = words(unwatched, "guard.action=off").filter((word) => !/^guard\.(?!action)/u.test(word));
  const silent = runPapo(plain);
  expect(silent.status).toBe(0);
  expect(silent.stderr).not.toContain("guard");
  expect(steadyMetrics(unwatched)).toEqual(withoutGuard(warned.out));
  expect(alarms(unwatched)).toEqual([]);

  const stopped = run("guard.action=stop", "trainer.saveFreq=-1");
  expect(stopped.status).toBe(3);
  expect(JSON.parse(runPapo(["runs", stopped.out, "--json"]).stdout)).toMatchObject([{ state: "stopped", step }]);
  expect(stopped.stderr).toContain(`saved step ${step}; go on with --resume`);
  expect(stopped.stderr).toContain(`papo: step ${step}: the policy collapses (`);
  expect(numLogged(stopped.out)).toBe(step);
  expect(collapses(stopped.out)).toMatchObject([{ step, event: "start", action: "stop" }]);
  const resumed = runPapo([...words(stopped.out, "guard.action=warn", "trainer.saveFreq=-1"), "--resume"]);
  expect(resumed).toMatchObject({ status: 0 });
  expect(steadyMetrics(stopped.out)).toEqual(steadyMetrics(warned.out));
  for (const out of [stopped.out, unwatched])
    expect(checkpointFile(out, "model.safetensors").equals(checkpointFile(warned.out, "model.safetensors"))).toBe(true);
});

test("backing off lowers the weight that acts, and survives a kill: nothing differs, no alarm is written twice", async () => {
  const settings = ["guard.action=backoff", "guard.repeatSteps=2", "guard.backoff.floor=0.2"];
  const whole = run(...settings);
  expect(whole.status).toBe(0);
  const backoffs = collapses(whole.out).filter(({ action }) => action === "backoff");
  expect(backoffs.length).toBeGreaterThanOrEqual(2);
  const factorAt = (step: number) => backoffs.findLast((line) => line.step < step)?.klPrcpFactor ?? 1;
  const coefs = steadyMetrics(whole.out).map((line) => line["actor/kl_prcp_coef"]);
  expect(coefs).toEqual(Array.from({ length: lastStep }, (_, index) => coef * factorAt(index + 1)));

  const out = freshPath(world, "run");
  const killAt = (backoffs[0]?.step ?? 0) + 1;
  const papo = startPapo(words(out, ...settings));
  const saved = join(out, "checkpoints", `step-${killAt.toString().padStart(6, "0")}`);
  await papo.until(() => numLogged(out) >= killAt && existsSync(saved));
  papo.child.kill("SIGKILL");
  expect(await papo.ended).toBe("SIGKILL");
  expect(runPapo([...words(out, ...settings), "--resume"])).toMatchObject({ status: 0 });
  expect(steadyMetrics(out)).toEqual(steadyMetrics(whole.out));
  expect(alarms(out)).toEqual(alarms(whole.out));
  for (const file of ["model.safetensors", "optimizer.safetensors", "trainer.json"])
    expect(checkpointFile(out, file).equals(checkpointFile(whole.out, file)), file).toBe(true);
});
