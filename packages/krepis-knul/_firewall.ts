// The one way from the adapter into the program's code. Nothing that is thrown or rejected there gets past it: an
// exception in the event loop, or a rejection that nobody observes, ends the process, so any peer could end it.
import { StreamError } from "./adapter_error.ts";
import { type ErrorReporter, type Failure, isThenable } from "./_error_reporter.ts";

/** A call of a handler, and what becomes of it. */
export interface ProgramCall {
  /** Calls it. What is thrown here, and a returned promise that rejects, is a failure. */
  run(): unknown;
  /** What is told of a failure. */
  failure(): Failure;
  /** Consequences of a failure. */
  failed(error: unknown): void;
  /** It has returned, or its promise is settled; after `failed`. */
  settled(): void;
}

export class Firewall {
  readonly errors: ErrorReporter;

  constructor(errors: ErrorReporter) {
    this.errors = errors;
  }

  /**
   * Calls a handler. A StreamError is the peer's doing, passed on by the handler, and not reported.
   * @returns whether it has not settled
   */
  call(call: ProgramCall): boolean {
    try {
      const result = call.run();
      if (isThenable(result)) {
        // Both ends of this promise are kept from throwing, so it never rejects.
        Promise.resolve(result).then(() => this.#settle(call), (error) => this.#fail(call, error));
        return true;
      }
    } catch (error) {
      this.#fail(call, error);
      return false;
    }
    this.#settle(call);
    return false;
  }

  #fail(call: ProgramCall, error: unknown): void {
    this.protect(() => {
      if (!(error instanceof StreamError)) this.errors.report(error, call.failure());
    });
    this.protect(() => call.failed(error));
    this.#settle(call);
  }

  #settle(call: ProgramCall): void {
    try {
      call.settled();
    } catch (error) {
      this.errors.report(error, { part: "adapter" });
    }
  }

  /** Runs a part of the adapter. @returns whether it went well */
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
   * Aborts a signal of which the program may have listeners, directly or by `AbortSignal.any`. What they throw does not
   * come back from `abort`: the runtime dispatches it as an error of the whole program, which is where it is caught.
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
