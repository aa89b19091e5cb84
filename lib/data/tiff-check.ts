// Kinds of TIFF that libvips decodes to other bytes than Pillow.
import { memorySource } from "./byte-source.ts";
import { readTiffTags } from "./tiff-header.ts";

const tag = { bits: 258, compression: 259, photometric: 262, colorMap: 320, extraSamples: 338 } as const;
const photometric = { whiteIsZero: 0, palette: 3, yCbCr: 6 } as const;
const jpeg = 7;

/** @throws {Error} naming the kind */
export async function checkTiff(bytes: Uint8Array): Promise<void> {
  const tags = await readTiffTags(memorySource(bytes), 0, [tag.bits, tag.colorMap, tag.extraSamples]);
  const values = (wanted: number) => tags.get(wanted) ?? [];
  const [kind] = values(tag.photometric);
  const refuse = (what: string) => {
    throw new Error(`TIFF with ${what} is not supported: save it as PNG`);
  };
  if (kind === photometric.whiteIsZero && values(tag.bits).some((bits) => bits > 8))
    refuse("16-bit grey of white as 0");
  if (kind === photometric.yCbCr && values(tag.compression)[0] !== jpeg) refuse("YCbCr colours outside JPEG");
  if (kind === photometric.palette && values(tag.colorMap).every((value) => value < 256)) refuse("an 8-bit colour map");
  if (values(tag.extraSamples).includes(1)) refuse("premultiplied alpha");
}
