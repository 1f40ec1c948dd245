// Converts the values that a program passes to what the library takes, or refuses them with the name of the option.
import { KrepisCode } from "@krepis/core";
import { checkCode } from "./_application_code.ts";
import { AdapterCode } from "./adapter_codes.ts";
import { AdapterError, invalidOption } from "./adapter_error.ts";
import { StreamError } from "./stream_error.ts";

/** Bytes to send: the memory of any view or buffer, or text (sent as UTF-8). */
export type QuicBytes = ArrayBufferView | ArrayBuffer | SharedArrayBuffer | string;

const BYTES = "bytes (a typed array, DataView or ArrayBuffer, not detached) or a string";
/** The code that a peer gets when the program failed and chose none. */
export const FAILED: bigint = BigInt(AdapterCode.HandlerFailed);
const encoder = new TextEncoder();

/**
 * The bytes of `value`, without a copy unless it is a string.
 * @throws {AdapterError} `InvalidRequest` (4001) for a value without bytes, and for a detached buffer
 */
export function bytesOf(option: string, value: unknown): Uint8Array<ArrayBuffer> {
  // The usual case does not read `value.buffer`: for a small array the getter takes longer than the send.
  if (ArrayBuffer.isView(value)) {
    const isUsual = value instanceof Uint8Array && value.length > 0;
    return isUsual ? value as Uint8Array<ArrayBuffer> : bytesOfView(option, value);
  }
  if (typeof value === "string") return encoder.encode(value);
  if (value instanceof ArrayBuffer && !value.detached) return new Uint8Array(value);
  if (value instanceof SharedArrayBuffer) return new Uint8Array(value as unknown as ArrayBuffer);
  throw invalidOption(option, value, BYTES);
}

function bytesOfView(
  option: string,
  { buffer, byteOffset, byteLength }: ArrayBufferView,
): Uint8Array<ArrayBuffer> {
  if ((buffer as ArrayBuffer).detached) throw invalidOption(option, "detached bytes", BYTES);
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}

/**
 * The code for the reason of `cancel` or `abort`: a number or bigint is the code, an object may have a code as
 * `applicationCode`, and every other reason has code 0.
 * @throws {AdapterError} `InvalidRequest` (4001) for a number that is no code
 */
export function codeOfReason(option: string, reason: unknown): bigint {
  if (typeof reason === "number" || typeof reason === "bigint") return checkCode(option, reason);
  return applicationCodeOf(option, reason) ?? 0n;
}

/**
 * The code that a handler chose by what it threw; null when it chose none.
 * @throws {AdapterError} `InvalidRequest` (4001) for an `applicationCode` that is no code
 */
export function applicationCodeOf(option: string, error: unknown): bigint | null {
  if (error instanceof StreamError) return error.exactCode;
  if (typeof error !== "object" || error === null || !("applicationCode" in error)) return null;
  return checkCode(`${option}.applicationCode`, error.applicationCode);
}

/** The code with which a stream or connection ends when its handler threw `error`. */
export function codeOfFailure(error: unknown): bigint {
  try {
    return applicationCodeOf("error", error) ?? FAILED;
  } catch {
    return FAILED;
  }
}

/** @throws {AdapterError} `InvalidRequest` (4001) unless it is a whole number from `low` to `high` */
export function checkInteger(option: string, value: unknown, low: number, high: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < low || value > high) {
    throw invalidOption(option, value, `a whole number from ${low} to ${high}`);
  }
  return value;
}

/** @throws {AdapterError} `InvalidRequest` (4001) unless it is text of `low` to `high` bytes of UTF-8 without NUL */
export function checkText(option: string, value: unknown, low: number, high: number): string {
  if (typeof value === "string" && !value.includes("\0")) {
    const length = encoder.encode(value).length;
    if (length >= low && length <= high) return value;
  }
  const length = low === 0 ? `at most ${high}` : `${low} to ${high}`;
  throw invalidOption(option, value, `a string of ${length} bytes without NUL`);
}

const NONE = Object.freeze({});

/** @throws {AdapterError} `InvalidRequest` (4001) */
export function checkBoolean(option: string, value: unknown): boolean {
  if (typeof value !== "boolean") throw invalidOption(option, value, "true or false");
  return value;
}

/** @throws {AdapterError} `InvalidRequest` (4001) */
export function checkFunction<T>(option: string, value: T): T {
  if (typeof value !== "function") throw invalidOption(option, value, "a function");
  return value;
}

/** @throws {AdapterError} `InvalidRequest` (4001) unless it is an AbortSignal or undefined */
export function checkSignal(option: string, value: unknown): AbortSignal | undefined {
  if (value === undefined || value instanceof AbortSignal) return value;
  throw invalidOption(option, value, "an AbortSignal");
}

/** @throws {AdapterError} `InvalidRequest` (4001) unless it is one of the keys of `choices` */
export function checkChoice<T>(option: string, value: unknown, choices: Record<string, T>): T {
  if (typeof value === "string" && Object.hasOwn(choices, value)) return choices[value] as T;
  throw invalidOption(option, value, Object.keys(choices).map((choice) => `"${choice}"`).join(" or "));
}

/**
 * Checks an object of options. `undefined` becomes an object without options.
 * @param known the permitted names; undefined: any name
 * @throws {AdapterError} `InvalidRequest` (4001) for a value that is not an object, and for an unknown name
 */
export function checkOptions<T extends object>(option: string, value: T | undefined, known?: string[]): T {
  if (value === undefined) return NONE as T;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalidOption(option, value, "an object with options");
  }
  const prefix = option === "options" ? "" : `${option}.`;
  for (const name of known ? Object.keys(value) : []) {
    if (!known!.includes(name)) throw unknownOption(prefix, name, known!);
  }
  return value;
}

/** The error for an unknown option. Its text suggests the most similar known name. */
export function unknownOption(prefix: string, name: string, known: string[]): AdapterError {
  const near = nearest(name, known);
  const hint = near === null ? `expected one of ${known.join(", ")}` : `did you mean ${near}?`;
  const text = `${prefix}${name}: unknown option; ${hint}`;
  return new AdapterError(KrepisCode.InvalidRequest, text, { option: prefix + name });
}

/** The known name that is most similar to `name`, or null when none is similar. Ignores case and "_". */
export function nearest(name: string, known: string[]): string | null {
  const plain = (text: string) => text.toLowerCase().replaceAll("_", "").slice(0, 80);
  const wanted = plain(name);
  let best: string | null = null;
  let fewest = Math.floor(wanted.length / 3) + 1;
  for (const candidate of known) {
    const count = distance(wanted, plain(candidate));
    if (count >= fewest) continue;
    fewest = count;
    best = candidate;
  }
  return best;
}

/** The number of letters to insert, remove or change (Levenshtein distance). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}
