import { KrepisCode } from "@krepis/core";
import { checkCode } from "./_application_code.ts";
import { AdapterError } from "./adapter_error.ts";

/** Why a stream can no longer be read or written. */
export type StreamEndReason =
  /** The peer reset its sending side. */
  | "reset"
  /** The peer asked to stop sending. */
  | "stopped"
  /** This side reset or stopped it, or its request had ended. */
  | "local"
  /** The request took longer than `requestTimeoutMs`. */
  | "timeout"
  /** The connection ended. */
  | "connection";

/** The stream ended early: `code` is `ConnectionFailed` (5001) or `Timeout` (2000). */
export class StreamError extends AdapterError {
  override name = "StreamError";
  readonly reason: StreamEndReason;
  /** The application code that either side sent (RFC 9000 §20.2); exact up to 2^53 - 1, rounded above. */
  readonly applicationCode: number;
  /** The same code, always exact. */
  readonly exactCode: bigint;

  /**
   * @param reason what ended the stream; "local" in an error that a handler throws
   * @param applicationCode the sent or received code, 0 to 2^62 - 1
   * @param text of the error
   * @throws {AdapterError} `InvalidRequest` (4001): the code is out of range
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

/** Decimal and hexadecimal: "77 (0x4d)". */
export function printedCode(code: number | bigint): string {
  return `${code} (0x${code.toString(16)})`;
}
