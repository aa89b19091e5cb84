// The thread that a user's reward module runs on: it may throw, hang, exit or eat memory without stopping the trainer.
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { RewardError } from "../errors.ts";
import type { RewardItem } from "./reward.ts";

export interface ModuleOptions {
  /** The module's file, relative to the working directory. */
  readonly path: string;
  /** Longest time for loading it and for one batch. */
  readonly timeoutMs: number;
  /** Second argument of its function. */
  readonly kwargs: Readonly<Record<string, unknown>>;
  /** Largest JavaScript heap in MiB, typed arrays aside; more ends the thread. */
  readonly maxHeapMb?: number;
}

// Enough for a batch of responses and a module's own tables.
const defaultMaxHeapMb = 2048;

// What runs on the thread. As text, because it must load alike from lib/ and from dist/.
const threadSource = `
const { parentPort, workerData } = require("node:worker_threads");
const failure = (thrown) => ({ failure: thrown instanceof Error ? oneLine(thrown) : "threw " + String(thrown) });
const oneLine = (error) => {
  const frame = (error.stack ?? "").split("\\n").find((line) => line.startsWith("    at ") && line.includes("file:"));
  const place = frame === undefined ? "" : " (" + frame.slice(frame.indexOf("file:")).replace(")", "") + ")";
  return error.name + ": " + error.message.split("\\n").join(" ") + place;
};
const load = async () => {
  const module = await import(workerData.url);
  const compute = module.computeReward ?? module.default;
  if (typeof compute === "function") return compute;
  throw new TypeError("expected an exported function computeReward, got exports [" + Object.keys(module).join(", ") + "]");
};
const compute = load();
const reply = (request, answer) => parentPort.postMessage({ request, ...answer });
compute.then(() => reply(0, {}), (thrown) => reply(0, failure(thrown)));
parentPort.on("message", async ({ request, items }) => {
  try {
    reply(request, { rewards: await (await compute)(items, workerData.kwargs) });
  } catch (thrown) {
    reply(request, failure(thrown));
  }
});
`;

interface ThreadMessage {
  /** Which request it answers: 0 is loading. Messages that a module posts itself answer none. */
  readonly request: number;
  /** What the module threw and where, in one line. */
  readonly failure?: string;
  readonly rewards?: unknown;
}

/** A loaded module. After an error other than the module's own throw the thread has ended. */
export class ModuleThread {
  private readonly worker: Worker;
  private readonly options: ModuleOptions;
  /** Why the thread is gone, if it is. */
  private end: string | undefined;
  private request = 0;

  private constructor(options: ModuleOptions) {
    const { path, kwargs, maxHeapMb: maxOldGenerationSizeMb = defaultMaxHeapMb } = options;
    const workerData = { url: pathToFileURL(resolve(path)).href, kwargs };
    this.options = options;
    this.worker = new Worker(threadSource, { eval: true, workerData, resourceLimits: { maxOldGenerationSizeMb } });
    this.worker.on("error", (error: unknown) => {
      this.end ??= `the thread failed: ${String(error)}`;
    });
    this.worker.on("exit", (code) => {
      this.end ??= `the module ended its thread (exit code ${code})`;
    });
  }

  /** @throws {RewardError} when the module is missing, fails while loading or exports no function */
  static async start(options: ModuleOptions, signal?: AbortSignal): Promise<ModuleThread> {
    const thread = new ModuleThread(options);
    try {
      await thread.answer("loading", signal);
      return thread;
    } catch (error) {
      await thread.stop();
      throw error;
    }
  }

  get ended(): boolean {
    return this.end !== undefined;
  }

  /**
   * What the module returns for a batch, unchecked.
   * @throws {RewardError} when it throws, hangs, ends its thread or returns what cannot be copied between threads
   */
  async compute(items: readonly RewardItem[], signal?: AbortSignal): Promise<unknown> {
    if (this.end !== undefined) throw this.error("between batches", this.end);
    this.request += 1;
    this.worker.postMessage({ request: this.request, items });
    return await this.answer("computeReward", signal);
  }

  /** Ends the thread, whatever it does. */
  async stop(): Promise<void> {
    this.end ??= "the thread was stopped";
    await this.worker.terminate();
  }

  /** Waits for the answer to the last request; stops the thread when none comes in time or the signal is raised. */
  private async answer(doing: string, signal: AbortSignal | undefined): Promise<unknown> {
    const { worker } = this;
    const { timeoutMs } = this.options;
    worker.ref();
    let release = (): void => undefined;
    const message = await new Promise<ThreadMessage | "late" | "aborted">((resolveMessage, reject) => {
      const onExit = () => {
        reject(this.error(doing, this.end ?? "the thread ended"));
      };
      const onAbort = () => {
        resolveMessage("aborted");
      };
      const onMessage = (message: ThreadMessage | null | undefined) => {
        if (message?.request === this.request) resolveMessage(message);
      };
      const timer = setTimeout(resolveMessage, timeoutMs, "late");
      worker.on("message", onMessage).once("exit", onExit);
      signal?.addEventListener("abort", onAbort, { once: true });
      release = () => {
        clearTimeout(timer);
        worker.off("message", onMessage).off("exit", onExit).unref();
        signal?.removeEventListener("abort", onAbort);
      };
    }).finally(() => {
      release();
    });
    if (message === "late" || message === "aborted") {
      await this.stop();
      signal?.throwIfAborted();
      throw this.error(doing, `no answer within ${timeoutMs} ms (reward.timeoutMs)`);
    }
    if (message.failure !== undefined) throw this.error(doing, message.failure);
    return message.rewards;
  }

  private error(doing: string, text: string): RewardError {
    return new RewardError(`reward.type ${this.options.path}: ${doing}: ${text}`);
  }
}
