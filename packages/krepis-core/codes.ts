/** The codes of the ABI (`KrepisError` in krepis.h), by name. */
export const KrepisCode = {
  Success: 0,
  Internal: 1000,
  InvalidContext: 1001,
  AbiMismatch: 1002,
  MemoryAlignment: 1003,
  InvalidPointer: 1004,
  Timeout: 2000,
  QuotaExceeded: 3000,
  OutOfMemory: 3001,
  ConcurrencyLimitExceeded: 3003,
  HandshakeFailed: 4000,
  InvalidRequest: 4001,
  VersionMismatch: 4002,
  NetworkError: 5000,
  ConnectionFailed: 5001,
} as const;

/** One of the numbers in {@linkcode KrepisCode}. */
export type KrepisCode = typeof KrepisCode[keyof typeof KrepisCode];

/** Application error codes (RFC 9000 §20.2) that the library itself sends to peers. */
export const KrepisApplicationCode = {
  /** No consumer accepts the stream or connection. */
  NoConsumer: 0x4b4e5501,
  /** Stream: opened after the drain began. */
  Draining: 0x4b4e5502,
  /** Connection: the drain's deadline passed. */
  Deadline: 0x4b4e5503,
  /** Stream or connection: the program's handler failed. */
  ApplicationError: 0x4b4e5504,
  /** Connection: its channel was closed. */
  ConsumerGone: 0x4b4e5505,
  /** Connection: its channel had no room for events or bytes. */
  Overloaded: 0x4b4e5506,
  /** Connection: stalled while a shared limit was reached. */
  NoProgress: 0x4b4e5507,
} as const;

const names = new Map<number, string>(Object.entries(KrepisCode).map(([name, code]) => [code, name]));

const meanings: Record<KrepisCode, string> = {
  0: "no error",
  1000: "an internal or system error, or an unusable certificate",
  1001: "the call is invalid in this state",
  1002: "the library has an incompatible ABI version",
  1003: "a struct is not aligned",
  1004: "invalid pointer, or unknown or stale handle",
  2000: "the time limit passed",
  3000: "no file descriptors or threads left",
  3001: "out of memory",
  3003: "a concurrency limit is reached",
  4000: "the handshake failed",
  4001: "a value is invalid",
  4002: "no common QUIC version",
  5000: "the address is in use, not permitted, or not this machine's",
  5001: "the connection or the stream ended",
};

/** Codes of calls that may succeed later with the same arguments. */
const retryable: ReadonlySet<number> = new Set([
  KrepisCode.Timeout,
  KrepisCode.QuotaExceeded,
  KrepisCode.OutOfMemory,
  KrepisCode.ConcurrencyLimitExceeded,
  KrepisCode.HandshakeFailed,
  KrepisCode.NetworkError,
  KrepisCode.ConnectionFailed,
]);

/**
 * The name of a code, or "Reserved" for a number that has none.
 *
 * @example
 * ```ts
 * import { codeName } from "@krepis/core";
 * console.assert(codeName(4001) === "InvalidRequest");
 * ```
 */
export function codeName(code: number): string {
  return names.get(code) ?? "Reserved";
}

/** What a code means, in a few words. */
export function codeMeaning(code: number): string {
  return meanings[code as KrepisCode] ?? "reserved";
}

/** Whether the same call may succeed later: true when resources are short and for network failures. */
export function isRetryable(code: number): boolean {
  return retryable.has(code);
}
