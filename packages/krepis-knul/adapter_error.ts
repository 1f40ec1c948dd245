import { KrepisCode, KrepisError } from "@krepis/core";

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
