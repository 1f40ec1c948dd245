// @ts-check
// Bytes that both sides of a long transfer can compute, and their checksum.
import { createHash } from "node:crypto";

const kBlockBytes = 1 << 20;

function make_block() {
  const words = new Uint32Array(kBlockBytes / 4);
  let state = 0x9e3779b9;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer);
}

/**
 * @param {number} length_bytes
 * @returns {Generator<Uint8Array<ArrayBuffer>, void, void>}
 */
export function* pattern_blocks(length_bytes) {
  const block = make_block();
  for (let left = length_bytes; left > 0; left -= kBlockBytes) {
    // A different first byte in each block, so that swapped blocks do not go unseen.
    block[0] = (left / kBlockBytes) & 0xff;
    yield block.slice(0, Math.min(left, kBlockBytes));
  }
}

/** @param {number} length_bytes */
export function pattern_hash(length_bytes) {
  const hash = createHash("sha256");
  for (const block of pattern_blocks(length_bytes)) hash.update(block);
  return hash.digest("hex");
}
