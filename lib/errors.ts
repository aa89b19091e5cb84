/** A setting is wrong: where it was written, which one, the rule, what came. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** Dotted key, or the file when it could not be read. */
  readonly path: string;
  /** `file:line:column` or `command line`; undefined where the caller does not know. */
  readonly where: string | undefined;
  constructor(path: string, text: string, where?: string) {
    super([where ?? "", path, text].filter((part) => part !== "").join(": "));
    this.path = path;
    this.where = where;
  }
}

/** A row or a picture of a data set is unusable. */
export class DataError extends Error {
  override readonly name = "DataError";
  readonly file: string;
  /** 1-based row or line; undefined when the whole file is meant. */
  readonly row: number | undefined;
  constructor(file: string, row: number | undefined, text: string, options?: ErrorOptions) {
    super(`${file}${row === undefined ? "" : `:${row}`}: ${text}`, options);
    this.file = file;
    this.row = row;
  }
}

/** A checkpoint folder is missing, foreign, broken or cannot be written. */
export class CheckpointError extends Error {
  override readonly name = "CheckpointError";
  readonly dir: string;
  constructor(dir: string, text: string, options?: ErrorOptions) {
    super(`${dir}: ${text}`, options);
    this.dir = dir;
  }
}

export type NativeErrorCode =
  | "E_SHAPE"
  | "E_DTYPE"
  | "E_VALUE"
  | "E_HANDLE"
  | "E_DISPOSED"
  | "E_OOM"
  | "E_CUDA"
  | "E_TORCH"
  | "E_IO"
  | "E_ABORTED"
  | "E_NONFINITE";

/** A native call failed. */
export class NativeError extends Error {
  override readonly name = "NativeError";
  readonly code: NativeErrorCode;
  /** The native operation, as in the brackets that open the text. */
  readonly op: string;
  constructor(code: NativeErrorCode, op: string, text: string, options?: ErrorOptions) {
    super(text, options);
    this.code = code;
    this.op = op;
  }
}

/** The native module could not be loaded. */
export class NativeModuleError extends Error {
  override readonly name = "NativeModuleError";
  readonly attempts: readonly string[];
  readonly solutions: readonly string[];
  constructor(text: string, attempts: readonly string[], solutions: readonly string[], options?: ErrorOptions) {
    const list = (title: string, lines: readonly string[]) =>
      lines.length === 0 ? "" : `\n${title}:\n${lines.map((line) => `  - ${line}`).join("\n")}`;
    super(text + list("Tried", attempts) + list("Possible solutions", solutions), options);
    this.attempts = attempts;
    this.solutions = solutions;
  }
}

/** A loss or a gradient is not finite. */
export class NonFiniteError extends Error {
  override readonly name = "NonFiniteError";
  readonly metric: string;
  readonly step: number;
  constructor(metric: string, step: number, text: string) {
    super(`step ${step}: ${metric}: ${text}`);
    this.metric = metric;
    this.step = step;
  }
}

/** The collapse guard has stopped the run (guard.action: stop). */
export class CollapseError extends Error {
  override readonly name = "CollapseError";
  readonly step: number;
  /** The signals that make it a collapse, by their names in alarms.jsonl. */
  readonly signals: readonly string[];
  constructor(step: number, signals: readonly string[]) {
    const advice = "go on with --resume and a smaller algorithm.klPrcp.coef or optim.lr, or with another guard.action";
    super(
      `step ${step}: the policy collapses (${signals.join(", ")}; see alarms.jsonl), so guard.action stops the run; ${advice}`,
    );
    this.step = step;
    this.signals = signals;
  }
}

/** The user's reward module is missing, threw, hung or returned something else than rewards. */
export class RewardError extends Error {
  override readonly name = "RewardError";
}

/**
 * - `settings`: results of different settings, which are never averaged or put side by side
 * - `missing`: a benchmark or a metric that a table needs
 * - `rows`: another number of rows, steps or samples than there should be
 * - `duplicate`: the same result, benchmark, step or item twice
 * - `value`: a number out of its range, or none
 */
export type ResultsProblem = "settings" | "missing" | "rows" | "duplicate" | "value";

/** Results of runs and evaluations cannot be made into a table. */
export class ResultsError extends Error {
  override readonly name = "ResultsError";
  readonly problem: ResultsProblem;
  constructor(problem: ResultsProblem, text: string) {
    super(text);
    this.problem = problem;
  }
}

/** A model behind a server could not be asked, or answered in a way that is no answer. */
export class ServerError extends Error {
  override readonly name = "ServerError";
  /** HTTP status; undefined when there was no answer. */
  readonly status: number | undefined;
  constructor(url: string, status: number | undefined, text: string, options?: ErrorOptions) {
    super(`${url}: ${text}`, options);
    this.status = status;
  }
}
