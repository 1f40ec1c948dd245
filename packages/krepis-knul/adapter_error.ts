import { KrepisCode, KrepisError } from "@krepis/core";
import { checkCode } from "./_conversions.ts";

/**
 * What the adapter reports: `code` is a number of `KrepisCode`, `retryable` says whether to try again.
 *
 * @example
 * ```ts
 * import { AdapterBuilder, AdapterError } from "@krepis/knul";
 * try {
 *   new AdapterBuilder().port(70_000);
 * } catch (error) {
 *   console.assert(error instanceof AdapterError && error.code === 4001 && error.option === "port");
 * }
 * ```
 */
export class AdapterError extends KrepisError {
  override name = "AdapterError";
  /** The option that was refused, where one was. */
  readonly option?: string;

  /**
   * @param code a number of `KrepisCode`
   * @param text what went wrong
   * @param options `cause` as for `Error`; `option` that was refused
   */
  constructor(code: number, text?: string, options: ErrorOptions & { option?: string } = {}) {
    super(code, text, options);
    if (options.option !== undefined) this.option = options.option;
  }
}

/** Why a stream can no longer be read or written. */
export type StreamEndReason =
  /** The peer reset its sending side. */
  | "reset"
  /** The peer asked to stop sending. */
  | "stopped"
  /** This side reset or stopped it, or its request was over. */
  | "local"
  /** A request took too long. */
  | "timeout"
  /** The connection ended. */
  | "connection";

/** A stream ended before its work was done: `ConnectionFailed` (5001), or `Timeout` (2000). */
export class StreamError extends AdapterError {
  override name = "StreamError";
  readonly reason: StreamEndReason;
  /** The code that either side sent (RFC 9000 §20.2). Exact up to 2^53 - 1, above that the nearest number. */
  readonly applicationCode: number;
  /** The same code, always exact. */
  readonly exactCode: bigint;

  /**
   * @param reason who or what ended it; "local" in an error that a handler throws
   * @param applicationCode the code that was sent or received, 0 to 2^62 - 1
   * @param text what happened
   * @throws {AdapterError} `InvalidRequest` (4001): a code that QUIC cannot carry
   */
  constructor(reason: StreamEndReason, applicationCode: number | bigint, text: string) {
    const code = reason === "timeout" ? KrepisCode.Timeout : KrepisCode.ConnectionFailed;
    const exact = checkCode("applicationCode", applicationCode);
    super(code, `${text}, application code ${printedCode(exact)}`);
    this.reason = reason;
    this.applicationCode = Number(applicationCode);
    this.exactCode = exact;
  }
}

/** Decimal, and hexadecimal as RFCs and packet analysers show it: "77 (0x4d)". */
export function printedCode(code: number | bigint): string {
  return `${code} (0x${code.toString(16)})`;
}

/** A wrong argument: `InvalidRequest` (4001), naming the option, its value and what was expected. */
export function invalidOption(option: string, value: unknown, expected: string): AdapterError {
  const text = `${option}: ${printed(value)} is not acceptable; expected ${expected}`;
  return new AdapterError(KrepisCode.InvalidRequest, text, { option });
}

const MOST_SHOWN = 80;

function printed(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "string") return cut(JSON.stringify(value));
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value !== null) {
    return Array.isArray(value) ? `a list of ${value.length}` : "an object";
  }
  return cut(String(value));
}

function cut(text: string): string {
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
}
