import { codeMeaning, codeName, isRetryable } from "./codes.ts";

/**
 * A failure that the native library or this package reports.
 *
 * @example
 * ```ts
 * import { KrepisCode, KrepisError } from "@krepis/core";
 * const error = new KrepisError(KrepisCode.NetworkError, "port: 443 is in use");
 * console.assert(error.code === 5000 && error.codeName === "NetworkError" && error.retryable);
 * ```
 */
export class KrepisError extends Error {
  override name = "KrepisError";
  /** The error code; compare it with the members of `KrepisCode`. */
  readonly code: number;
  /** The text of the error; `message` has the code in front of it. */
  readonly text: string;

  /**
   * @param code a number of `KrepisCode`
   * @param text of the error. Default: the meaning of the code
   * @param options `cause`, as for `Error`
   */
  constructor(code: number, text = "", options?: ErrorOptions) {
    super(`${codeName(code)} (${code}): ${text || codeMeaning(code)}`, options);
    this.code = code;
    this.text = text || codeMeaning(code);
  }

  /** The code's name, such as "InvalidRequest". */
  get codeName(): string {
    return codeName(this.code);
  }

  /** True if the same call may succeed later. */
  get retryable(): boolean {
    return isRetryable(this.code);
  }
}
