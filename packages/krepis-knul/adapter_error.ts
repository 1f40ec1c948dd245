import { KrepisCode, KrepisError } from "@krepis/core";

/**
 * An error of the adapter: `code` is a number of `KrepisCode`; `retryable` is true if the same call may succeed later.
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
  /** The refused option, if there is one. */
  readonly option?: string;

  /**
   * @param code a number of `KrepisCode`
   * @param text of the error
   * @param options `cause` as for `Error`; `option`: the refused option
   */
  constructor(code: number, text?: string, options: ErrorOptions & { option?: string } = {}) {
    super(code, text, options);
    if (options.option !== undefined) this.option = options.option;
  }
}

/** An invalid argument: `InvalidRequest` (4001) with the option, its value and the expected value. */
export function invalidOption(option: string, value: unknown, expected: string): AdapterError {
  const text = `${option}: ${printed(value)} is invalid; expected ${expected}`;
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
