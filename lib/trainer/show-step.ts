// What loggers get of a step beside its numbers: the values behind some means and, now and then, a picture.
import type { LoggerSet } from "./loggers.ts";
import type { TrainedStep } from "./loop-parts.ts";
import { sideBySide } from "./sample-pictures.ts";

/** Of a run. */
const numPictures = 20;

/** Logs distributions, and on about 20 steps of the run a sampled group's first picture beside its masked view. */
export async function showStep(
  { loggers, totalSteps }: { readonly loggers: LoggerSet; readonly totalSteps: number },
  step: number,
  { distributions = {}, samples }: TrainedStep,
): Promise<void> {
  for (const [name, values] of Object.entries(distributions))
    await loggers.logHistogram(step, `distributions/${name}`, values);
  const isShown = step === 1 || step % Math.ceil(totalSteps / numPictures) === 0;
  const [picture] = samples.flatMap(({ pictures }) => pictures);
  if (picture && isShown) await loggers.logImage(step, "samples/picture", () => sideBySide(picture));
}
