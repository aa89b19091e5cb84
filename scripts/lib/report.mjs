// What setup prints: one line a step, rewritten in place on a terminal.

/** Seconds between two progress lines when the output is not a terminal. */
const plainIntervalSeconds = 15;

/**
 * A step's line on stdout.
 * @param {string} name
 */
export function startStep(name) {
  const started = performance.now();
  const terminal = process.stdout.isTTY;
  const label = name.padEnd(12);
  let printedAt = Number.NEGATIVE_INFINITY;
  return {
    /** @param {string} text */
    update(text) {
      const now = performance.now();
      if (terminal) process.stdout.write(`\r\x1b[K  ${label}${text}`.slice(0, process.stdout.columns + 3));
      else if (now - printedAt >= plainIntervalSeconds * 1000) {
        process.stdout.write(`  ${label}${text}\n`);
        printedAt = now;
      }
    },
    /** @param {string} text */
    done(text) {
      const seconds = (performance.now() - started) / 1000;
      process.stdout.write(`${terminal ? "\r\x1b[K" : ""}  ${label}${text} (${seconds.toFixed(1)} s)\n`);
    },
  };
}

/** @typedef {ReturnType<typeof startStep>} Step */
