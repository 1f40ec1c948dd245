// What both servers share, so that they differ in nothing but QUIC.

/** What answers are made of. */
export const BLOCK: Uint8Array<ArrayBuffer> = new Uint8Array(256 * 1024);

/** How many bytes a request wants back. */
export function answerBytes(bytes: Uint8Array): number {
  if (bytes.length < 8) return 0;
  const high = (bytes[0] << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3]) >>> 0;
  const low = (bytes[4] << 24 | bytes[5] << 16 | bytes[6] << 8 | bytes[7]) >>> 0;
  return high * 2 ** 32 + low;
}
