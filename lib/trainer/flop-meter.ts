// The arithmetic that a step really did, as the native core counts it, and its share of the machine's peak.
import type { DeviceName, FlopCounts } from "../native/binding.ts";
import { callNative } from "../native/call.ts";
import { deviceName } from "../native/device-name.ts";
import { loadNative } from "../native/load.ts";
import { peakFlopsOf } from "../plan/gpus.ts";
import type { StepMetrics } from "../types.ts";

/** All phases together, in FLOP. */
export function totalCounted({ vision, body, attention, head }: FlopCounts): number {
  return vision + body + attention + head;
}

export class FlopMeter {
  readonly #peakFlops: number;

  /** @param peakFlops FLOP/s that the utilisation is a share of */
  constructor(peakFlops: number) {
    this.#peakFlops = peakFlops;
  }

  /**
   * Takes the GPU's dense bfloat16 peak; of a CPU, whose peak no data sheet gives, and of another GPU the rate that a
   * large product reaches now, in a tenth of a second (`perf/peak_tflops` tells it).
   */
  static async create(device: DeviceName, name = deviceName(device)): Promise<FlopMeter> {
    return new FlopMeter(peakFlopsOf(name) ?? (await callNative({}, () => loadNative().productRate(device))));
  }

  /** What was counted before is not the step's. */
  async begin(): Promise<void> {
    await loadNative().takeFlops();
  }

  /**
   * `perf/tflop_*` since `begin` by phase, `perf/mfu` = their sum / seconds / peak, and the peak.
   * @param seconds of the whole step, on one device
   */
  async metrics(seconds: number): Promise<StepMetrics> {
    const counts = await loadNative().takeFlops();
    const phases = Object.entries(counts).map(
      ([phase, flops]) => [`perf/tflop_${phase}`, Number(flops) / 1e12] as const,
    );
    return {
      ...Object.fromEntries(phases),
      "perf/mfu": seconds > 0 ? totalCounted(counts) / seconds / this.#peakFlops : 0,
      "perf/peak_tflops": this.#peakFlops / 1e12,
    };
  }
}
