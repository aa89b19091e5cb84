// GIF blocks up to the first frame. Pillow gives transparent pixels their palette colour, libvips black.

/**
 * The GIF with the first frame's transparency off.
 * @throws {Error} when it is cut off, or its first frame does not cover the picture
 */
export function opaqueFirstFrame(bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const view = new DataView(copy.buffer);
  const cutOff = (): never => {
    throw new Error("the GIF is cut off before its first frame");
  };
  if (copy.length < 13) cutOff();
  const [width, height] = [view.getUint16(6, true), view.getUint16(8, true)];
  let at = 13 + colorTableBytes(view.getUint8(10));
  while (at + 10 <= copy.length) {
    const block = copy[at];
    if (block === 0x2c) {
      const frame = [1, 3, 5, 7].map((offset) => view.getUint16(at + offset, true));
      if (frame.join() !== [0, 0, width, height].join())
        throw new Error(`the GIF's first frame (${frame.join(", ")}) does not cover its ${width} x ${height} px`);
      return copy;
    }
    if (block !== 0x21) throw new Error(`the GIF has an unknown block ${block}`);
    // Graphic control extension: bit 0 of its flags says that a colour is transparent.
    if (copy[at + 1] === 0xf9 && copy[at + 2] === 4) copy[at + 3] = view.getUint8(at + 3) & ~1;
    at += 2;
    while (at < copy.length && copy[at] !== 0) at += 1 + view.getUint8(at);
    at += 1;
  }
  return cutOff();
}

function colorTableBytes(flags: number): number {
  return (flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1);
}
