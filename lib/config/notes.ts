import type { ConfigNotes } from "./schema.ts";

/** One line a note, for the log at the start of a run. */
export function noteLines(notes: ConfigNotes): string[] {
  return [
    ...notes.withoutEffect,
    ...notes.ignored.map((note) => `ignored: ${note}`),
    ...notes.neverRead.map((note) => `never read by the reference itself: ${note}`),
  ];
}
