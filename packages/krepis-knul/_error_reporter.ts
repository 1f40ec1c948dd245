// Counts failures of the program's handlers and passes them to `onError`, or to the console at a limited rate.
import type { QuicConnection } from "./quic_connection.ts";
import type { QuicRequest } from "./quic_request.ts";
import type { QuicStream } from "./quic_stream.ts";

/** The part that failed: a function of the program, or "adapter" for the adapter's own work. */
export type FailedPart =
  | "request"
  | "stream"
  | "datagram"
  | "connection"
  | "fate"
  | "log"
  /** A listener of a signal. */
  | "signal"
  | "adapter";

/** The source of an error. */
export interface Failure {
  part: FailedPart;
  /** The connection, stream or request that the handler was called for, if there is one. */
  connection?: QuicConnection;
  stream?: QuicStream;
  /** Do not read its payload, which may already be released: see `QuicRequest.payload`. */
  request?: QuicRequest;
}

/** Called for each error. Its own errors and rejections are logged. */
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
    const handler = this.#handler;
    if (handler === undefined) return this.#log(error, failure.part);
    try {
      const result = handler(error, failure);
      if (isThenable(result)) Promise.resolve(result).then(undefined, (second) => this.#logOwn(second));
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
      // Inspecting an error can run code of the program, which may throw.
    }
  }
}

/** Whether `await` would wait for it. Throws what a getter of `then` throws. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null &&
    typeof (value as { then?: unknown }).then === "function";
}
