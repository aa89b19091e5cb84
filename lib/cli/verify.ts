import { join } from "node:path";
import type { Command } from "@commander-js/extra-typings";
import { samplingOptions } from "./option-values.ts";

export function registerVerify(program: Command): void {
  program
    .command("verify")
    .description("compare papo's Qwen2.5-VL with golden values of transformers; exit 1 when they differ")
    .argument("[dir]", "fixture folder made by scripts/make_qwen_fixture.py; without it the shipped one")
    .option("--dtype <dtype>", "float32 or bfloat16", "float32")
    .addOption(samplingOptions.device())
    .action(async (dir, { dtype, device }) => {
      const { ConfigError } = await import("../errors.ts");
      if (dtype !== "float32" && dtype !== "bfloat16") {
        throw new ConfigError("--dtype", `expected float32 or bfloat16, got ${dtype}`);
      }
      const { verify } = await import("../policy/verify.ts");
      const result = await verify(dir ?? join(import.meta.dirname, "..", "policy", "fixture"), dtype, device);
      console.log(JSON.stringify(result));
      process.exitCode = result.ok ? 0 : 1;
    });
}
