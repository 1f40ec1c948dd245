// Failures of the program's handlers: counted, told to the program, or shown without flooding the log.
import { observed } from "./_observed.ts";
import type { QuicConnection } from "./quic_connection.ts";
import type { QuicRequest } from "./quic_request.ts";
import type { QuicStream } from "./quic_stream.ts";

/** What failed: a function of the program, or "adapter" for the adapter's own work. */
export type FailedPart =
  | "request"
  | "stream"
  | "datagram"
  | "connection"
  | "fate"
  /** A listener of a signal. */
  | "signal"
  | "adapter";

/** Where an error came from. */
export interface Failure {
  part: FailedPart;
  /** What the handler was called for, where there is one. */
  connection?: QuicConnection;
  stream?: QuicStream;
  /** Its payload may be given back already: see `QuicRequest.payload`. */
  request?: QuicRequest;
}

/** Told of failures. What it throws, and a promise of it that rejects, is logged. */
export type ErrorHandler = (error: unknown, failure: Failure) => unknown;

const LOG_INTERVAL_MS = 1000;

export class ErrorReporter {
  handlerErrors = 0;
  readonly #handler: ErrorHandler | undefined;
  #loggedAt = -Infinity;
  #unlogged = 0;

  /** Without a handler errors go to console.error, at most once per second. */
  constructor(handler: ErrorHandler | undefined) {
    this.#handler = handler;
  }

  /** Never throws, whatever the program's handler does. */
  report(error: unknown, failure: Failure): void {
    this.handlerErrors++;
    if (this.#handler === undefined) return this.#log(error, failure.part);
    try {
      const result = this.#handler(error, failure);
      if (isThenable(result)) void observed(Promise.resolve(result).catch((second) => this.#logOwn(second)));
    } catch (second) {
      this.#logOwn(second);
    }
  }

  #logOwn(error: unknown): void {
    this.#log(error, "error");
  }

  #log(error: unknown, part: string): void {
    const now = performance.now();
    if (now - this.#loggedAt < LOG_INTERVAL_MS) {
      this.#unlogged++;
      return;
    }
    const more = this.#unlogged > 0 ? ` (${this.#unlogged} more since the last message)` : "";
    this.#loggedAt = now;
    this.#unlogged = 0;
    const text = part === "adapter" ? "the adapter failed" : `a handler failed (${part})`;
    try {
      console.error(`@krepis/knul: ${text}${more}:`, error);
    } catch {
      // An error can forbid to be shown: its inspection is the program's code, too.
    }
  }
}

/** Whether `await` would wait for it. Looking may throw. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null &&
    typeof (value as { then?: unknown }).then === "function";
}
