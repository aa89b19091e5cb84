import { paper } from "./nine.ts";

/** Seconds a step, and of it the extra forward pass over masked pictures; 3B on 2, 7B on 4 H100. */
export const paperTable14 = {
  source: `${paper}, Table 14`,
  rows: [
    { label: "GRPO", size: "3B", step: 360.9, augForward: undefined },
    { label: "PAPO_G", size: "3B", step: 428.1, augForward: 48.8 },
    { label: "GRPO", size: "7B", step: 258.5, augForward: undefined },
    { label: "PAPO_G", size: "7B", step: 367.1, augForward: 49.7 },
  ],
} as const;
