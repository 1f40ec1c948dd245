// Application error codes (RFC 9000 §20.2), as programs pass them.
import { invalidOption } from "./adapter_error.ts";

const CODES = "a whole number from 0 to 2^62 - 1";

/** @throws {AdapterError} `InvalidRequest` (4001) for an application code (RFC 9000 §20.2) that QUIC cannot carry */
export function checkCode(option: string, value: unknown): bigint {
  if (typeof value === "bigint" && value >= 0n && value < 2n ** 62n) return value;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  throw invalidOption(option, value, CODES);
}
