// The public API: exports only.
export * from "./errors.ts";
export type * from "./types.ts";
