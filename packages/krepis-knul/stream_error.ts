import { KrepisCode } from "@krepis/core";
import { checkCode } from "./_application_code.ts";
import { AdapterError } from "./adapter_error.ts";

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
