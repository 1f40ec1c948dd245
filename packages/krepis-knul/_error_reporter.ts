// Failures of the program's handlers: counted, and shown without flooding the log.

export type ErrorHandler = (error: unknown) => void;

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

  report(error: unknown): void {
    this.handlerErrors++;
    if (this.#handler === undefined) return this.#log(error);
    try {
      this.#handler(error);
    } catch (second) {
      this.#log(second);
    }
  }

  #log(error: unknown): void {
    const now = performance.now();
    if (now - this.#loggedAt < LOG_INTERVAL_MS) {
      this.#unlogged++;
      return;
    }
    const more = this.#unlogged > 0 ? ` (${this.#unlogged} more since the last message)` : "";
    this.#loggedAt = now;
    this.#unlogged = 0;
    console.error(`@krepis/knul: a handler failed${more}:`, error);
  }
}
