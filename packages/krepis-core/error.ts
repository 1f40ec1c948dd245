import { codeMeaning, codeName, isRetryable } from "./codes.ts";

/**
 * A failure that the native library reported, or one of the same kind noticed on this side.
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
  /** The number of the ABI; compare it with the members of `KrepisCode`. */
  readonly code: number;
  /** What went wrong, without the code that `message` begins with. */
  readonly text: string;

  /**
   * @param code a number of `KrepisCode`
   * @param text what went wrong; without it, what the code means
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

  /** Whether the same call may succeed later. */
  get retryable(): boolean {
    return isRetryable(this.code);
  }
}
