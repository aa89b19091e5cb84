import type { Command } from "@commander-js/extra-typings";
import type { Generated } from "../eval/generate.ts";
import { numberIn, samplingOptions } from "./option-values.ts";

/** `papo generate`: responses to a prompt of the command line. */
export function registerGenerate(program: Command): void {
  program
    .command("generate")
    .description("print a model's responses to a prompt with pictures")
    .requiredOption("--model <dir>", "checkpoint folder or Hugging Face model id")
    .requiredOption("--prompt <text>", "the question; pictures come first unless <image> marks say where")
    .option("--image <files...>", "pictures, in the order of the marks")
    .addOption(samplingOptions.n())
    .option("--temperature <number>", "0: greedy", numberIn(0, 100), 0)
    .addOption(samplingOptions.topP())
    .addOption(samplingOptions.topK())
    .addOption(samplingOptions.maxTokens(512))
    .addOption(samplingOptions.seed())
    .addOption(samplingOptions.formatPrompt())
    .addOption(samplingOptions.system())
    .addOption(samplingOptions.minPixels())
    .addOption(samplingOptions.maxPixels())
    .addOption(samplingOptions.dtype())
    .addOption(samplingOptions.device())
    .addOption(samplingOptions.threads())
    .option("--json", "print one JSON object a response: index, text, finishReason, numTokens, promptTokens")
    .action(async ({ image, json, ...options }) => {
      const { generate } = await import("../eval/generate.ts");
      const { withInterrupt } = await import("./interrupt.ts");
      const generated = await withInterrupt((signal) => generate({ ...options, images: image ?? [], signal }));
      process.stdout.write(json === true ? jsonLines(generated) : plainText(generated));
    });
}

function jsonLines({ promptTokens, responses }: Generated): string {
  const objects = responses.map(({ text, finishReason, ids }, index) => ({
    index,
    text,
    finishReason,
    numTokens: ids.length,
    promptTokens,
  }));
  return objects.map((object) => `${JSON.stringify(object)}\n`).join("");
}

/** Several responses have a line above each. */
function plainText({ responses }: Generated): string {
  if (responses.length === 1) return `${responses[0]?.text ?? ""}\n`;
  return responses.map(({ text }, index) => `--- ${index + 1} of ${responses.length}\n${text}\n`).join("");
}
