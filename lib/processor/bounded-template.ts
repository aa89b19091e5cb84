// Jinja templates that cannot hang or fill the memory by a loop: they come with checkpoints, from anywhere.
import { Script, createContext } from "node:vm";
import { Template } from "@huggingface/jinja";

/** As in Jinja's sandbox. */
const maxRange = 100_000;
/** Of one text; a real template takes a millisecond. */
const maxMs = 5000;

const globals: { run: () => string } = { run: () => "" };
const context = createContext(globals);
const script = new Script("run()");

/**
 * A template whose `range` gives at most 100,000 numbers and which renders within 5 seconds.
 * @throws {Error} when the text is no template
 */
export class BoundedTemplate {
  readonly #template: Template;

  constructor(text: string) {
    this.#template = new Template(text);
    // The renderer declares its own `range`, which can be replaced only from inside.
    statements(this.#template).unshift(...statements(new Template("{% set range = bounded_range %}")));
  }

  /** @throws {Error} when the template raises or is beyond its bounds */
  render(variables: Readonly<Record<string, unknown>>): string {
    globals.run = () => this.#template.render({ ...variables, bounded_range: boundedRange });
    try {
      return script.runInContext(context, { timeout: maxMs }) as string;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
      throw new Error(`the template renders for more than ${maxMs / 1000} seconds`, { cause: error });
    }
  }
}

// The types of the parsed template are not in the package.
const statements = (template: Template) => (template as unknown as { parsed: { body: unknown[] } }).parsed.body;

function boundedRange(first: number, stop?: number, step = 1): number[] {
  const [from, to] = stop === undefined ? [0, first] : [first, stop];
  const count = Math.max(0, Math.ceil((to - from) / step));
  if (!(count <= maxRange)) throw new RangeError(`range(): expected at most ${maxRange} numbers, got ${count}`);
  return Array.from({ length: count }, (_, index) => from + index * step);
}
