// The adapter calls the program's code only through this file, which catches every exception and rejection. One that
// reached the event loop would end the process, so that any peer could end it.
import { type ErrorReporter, type Failure, isThenable } from "./_error_reporter.ts";
import { StreamError } from "./stream_error.ts";

/** A call of a handler, with its consequences. */
export interface ProgramCall {
  /** Calls the handler. It has failed if this throws, or returns a promise that rejects. */
  run(): unknown;
  /** Called with what the handler returned, or its promise resolved with. If this throws, the handler has failed. */
  succeeded(result: unknown): void;
  /** What `onError` is given for a failure. */
  failure(): Failure;
  /** Called once after a failure. */
  failed(error: unknown): void;
  /** Called once when the handler has returned, or its promise is settled; after `failed`. */
  settled(): void;
}

export class Firewall {
  readonly errors: ErrorReporter;

  constructor(errors: ErrorReporter) {
    this.errors = errors;
  }

  /**
   * Calls a handler. A StreamError is not reported: the peer caused it, and the handler has only passed it on.
   * @returns true: its promise is not settled yet
   */
  call(call: ProgramCall): boolean {
    let result;
    try {
      result = call.run();
      if (isThenable(result)) {
        // Neither callback throws, so the resulting promise never rejects.
        Promise.resolve(result).then(
          (value) => this.#succeed(call, value),
          (error) => this.#fail(call, error),
        );
        return true;
      }
    } catch (error) {
      this.#fail(call, error);
      return false;
    }
    this.#succeed(call, result);
    return false;
  }

  #succeed(call: ProgramCall, result: unknown): void {
    try {
      call.succeeded(result);
    } catch (error) {
      return this.#fail(call, error);
    }
    this.#settle(call);
  }

  #fail(call: ProgramCall, error: unknown): void {
    this.protect(() => this.report(error, call));
    this.protect(() => call.failed(error));
    this.#settle(call);
  }

  /** Reports what the program has thrown, unless it passed a StreamError on. */
  report(error: unknown, call: ProgramCall): void {
    if (!(error instanceof StreamError)) this.errors.report(error, call.failure());
  }

  #settle(call: ProgramCall): void {
    try {
      call.settled();
    } catch (error) {
      this.errors.report(error, { part: "adapter" });
    }
  }

  /** Runs a part of the adapter and reports what it throws. @returns false: it threw */
  protect(run: () => void): boolean {
    try {
      run();
      return true;
    } catch (error) {
      this.errors.report(error, { part: "adapter" });
      return false;
    }
  }

  /**
   * Aborts a signal to which the program may have added listeners, directly or by `AbortSignal.any`. `abort` does not
   * throw what a listener throws: the runtime dispatches it as an "error" event of the program, and it is caught there.
   */
  abort(controller: AbortController | null | undefined, reason: unknown): void {
    if (!controller || controller.signal.aborted) return;
    const note = (event: ErrorEvent) => {
      event.preventDefault();
      event.stopImmediatePropagation();
      this.errors.report(event.error, { part: "signal" });
    };
    globalThis.addEventListener("error", note as EventListener, { capture: true });
    try {
      controller.abort(reason);
    } catch (error) {
      this.errors.report(error, { part: "signal" });
    } finally {
      globalThis.removeEventListener("error", note as EventListener, { capture: true });
    }
  }
}
