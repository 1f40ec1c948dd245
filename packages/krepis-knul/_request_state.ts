// One request on its way: the payload while it is gathered, then the handler while it works.
import type { StreamError } from "./adapter_error.ts";
import type { Timed } from "./_deadlines.ts";
import type { StreamState } from "./_stream_state.ts";

const FIRST_BUFFER_BYTES = 4096;
const EMPTY = new Uint8Array(0);

export class RequestState implements Timed {
  earlier: Timed | null = null;
  later: Timed | null = null;
  deadlineMs = 0;
  readonly stream: StreamState;
  /** Of the payload's bytes in the arena; -1 when they are elsewhere. */
  lentOffset = -1;
  /** The answer was given, or nobody waits for it. */
  isOver = false;
  #buffer: Uint8Array<ArrayBuffer> = EMPTY;
  #length = 0;
  #error: StreamError | null = null;
  #controller: AbortController | null = null;

  constructor(stream: StreamState) {
    this.stream = stream;
  }

  get payloadBytes(): number {
    return this.#length;
  }

  get payload(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Copies bytes of the arena behind those it has. */
  append(bytes: Uint8Array<ArrayBuffer>): void {
    const needed = this.#length + bytes.length;
    if (needed > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(needed, 2 * this.#buffer.length, FIRST_BUFFER_BYTES));
      larger.set(this.payload);
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length = needed;
  }

  dropPayload(): void {
    this.#buffer = EMPTY;
    this.#length = 0;
  }

  get isAborted(): boolean {
    return this.#error !== null;
  }

  /** Tells the handler that nobody waits any more. */
  abort(error: StreamError): void {
    this.#error ??= error;
    this.stream.connection.session.firewall.abort(this.#controller, error);
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#error !== null) this.#controller.abort(this.#error);
    return this.#controller.signal;
  }
}
