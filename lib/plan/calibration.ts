// What turns arithmetic and bytes into seconds. Two numbers are fitted, to the published 3B times alone; the 7B times
// test them (calibration-report.ts). The others come from where their comment says.

/** Seconds per step on H100s, and of the masked forward pass that PAPO adds. Source: the PAPO paper, Table 14. */
export interface PublishedTimes {
  readonly gpus: string;
  readonly grpo: number;
  readonly papo: number;
  readonly maskedForward: number;
}

export const publishedTimes: Readonly<Record<"3B" | "7B", PublishedTimes>> = {
  "3B": { gpus: "2xh100", grpo: 360.9, papo: 428.1, maskedForward: 48.8 },
  "7B": { gpus: "4xh100", grpo: 258.5, papo: 367.1, maskedForward: 49.7 },
};

export interface Calibration {
  /**
   * Share of the bfloat16 peak that training and scoring passes reach. Fitted: least squares of the logarithms of the
   * three 3B times.
   */
  readonly utilisation: number;
  /**
   * Seconds of one processor core for one picture: decode, resize, normalise, cut into patches. Fitted: what PAPO's step
   * takes beyond GRPO's and the masked forward (18.4 s on 3B) over its 960 + 384 pictures a process (published.ts).
   */
  readonly imageSeconds: number;
  /**
   * Share of the memory bandwidth that decoding reaches over a whole rollout. Not fitted: vLLM's 12,553 output tokens/s
   * of an 8B model on one H100 (research.aimultiple.com/inference-engines) against the 29,000 that reading weights and
   * cache of 256 sequences of 400 tokens allows.
   */
  readonly decodeShare: number;
  /** Bytes/s between host and GPU, pinned memory over PCIe 5.0 with what a copy loses. Not fitted. */
  readonly hostBandwidth: number;
}

export const calibration: Calibration = {
  utilisation: 0.35,
  imageSeconds: 0.0137,
  decodeShare: 0.4,
  hostBandwidth: 30e9,
};
