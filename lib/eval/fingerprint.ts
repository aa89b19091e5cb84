import { createHash } from "node:crypto";
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";

const samplesPerFile = 16;
const sampleBytes = 64 * 1024;

/**
 * Short text that tells the weights of checkpoint folders apart: SHA-256 over names, sizes and 16 samples of 64 KiB of
 * each safetensors file. A copied folder keeps it; training changes it.
 */
export async function fingerprint(dir: string): Promise<string> {
  const hash = createHash("sha256");
  const names = (await readdir(dir)).filter((name) => /^model.*\.safetensors$/.test(name)).sort();
  const buffer = Buffer.alloc(sampleBytes);
  for (const name of names) {
    const file = await open(join(dir, name));
    try {
      const { size } = await file.stat();
      hash.update(`${name} ${size}\n`);
      const stride = Math.max(sampleBytes, Math.floor(size / samplesPerFile));
      for (let at = 0; at < size; at += stride) {
        const { bytesRead } = await file.read(buffer, 0, sampleBytes, at);
        hash.update(buffer.subarray(0, bytesRead));
      }
    } finally {
      await file.close();
    }
  }
  return hash.digest("hex").slice(0, 16);
}
