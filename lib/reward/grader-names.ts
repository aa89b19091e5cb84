/** How answers may be compared; answer-grader.ts makes the graders. */
export const graderNames = ["mathruler", "symbolic"] as const;
export type GraderName = (typeof graderNames)[number];
