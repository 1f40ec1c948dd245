// @ts-check
// Seeded payloads and checksums, the same in Deno and Node, so that a failure can be run again exactly.
import { createHash } from "node:crypto";
import process from "node:process";

/** @returns {number} KNUL_SEED if set, else a new 32-bit seed; printed so that a failure can be repeated. */
export function choose_seed() {
  const text = process.env.KNUL_SEED;
  const seed = text ? Number(text) : Math.floor(Math.random() * 2 ** 32);
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
    throw new Error(`KNUL_SEED must be an integer of 32 bits, got "${text}"`);
  }
  console.log(`seed ${seed} (run again with KNUL_SEED=${seed})`);
  return seed;
}

/** A xorshift32 generator: not for secrets, only for payloads that differ in every stream. */
export class Random {
  /** @param {number} seed */
  constructor(seed) {
    // Invariant: the state is never 0, where xorshift would stay for ever.
    this.state_ = (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) >>> 0) || 1;
  }

  /** @returns {number} an unsigned 32-bit integer */
  next() {
    let x = this.state_;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state_ = x >>> 0;
    return this.state_;
  }

  /**
   * @param {number} low inclusive
   * @param {number} high inclusive
   */
  between(low, high) {
    return low + this.next() % (high - low + 1);
  }

  /** @param {number} length_bytes @returns {Uint8Array<ArrayBuffer>} */
  bytes(length_bytes) {
    const words = new Uint32Array(Math.ceil(length_bytes / 4));
    for (let i = 0; i < words.length; i++) words[i] = this.next();
    return new Uint8Array(words.buffer, 0, length_bytes);
  }
}

/** @param {Uint8Array} bytes @returns {string} */
export function sha256(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}

/** @param {Uint8Array[]} parts @returns {Uint8Array<ArrayBuffer>} */
export function concat(parts) {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

/**
 * A request of the perf service: how many bytes to send back, then the upload.
 * @param {number} answer_bytes
 * @param {Uint8Array} upload
 */
export function perf_request(answer_bytes, upload = new Uint8Array(0)) {
  const header = new Uint8Array(8);
  new DataView(header.buffer).setBigUint64(0, BigInt(answer_bytes));
  return concat([header, upload]);
}
