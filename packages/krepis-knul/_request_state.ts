// One request on its way: the payload while it is gathered, then the handler while it works.
import type { Timed } from "./_deadlines.ts";
import { type Gathered, Share } from "./_gather_budget.ts";
import type { Failure } from "./_error_reporter.ts";
import type { ProgramCall } from "./_firewall.ts";
import type { PieceQueue } from "./_piece_queue.ts";
import type { RequestServer } from "./_request_server.ts";
import type { StreamState } from "./_stream_state.ts";
import type { QuicRequest, QuicResponse } from "./quic_request.ts";
import type { StreamError } from "./stream_error.ts";

const FIRST_BUFFER_BYTES = 4096;
const EMPTY = new Uint8Array(0);

export class RequestState implements Timed, Gathered, ProgramCall {
  earlier: Timed | null = null;
  later: Timed | null = null;
  deadlineMs = 0;
  readonly stream: StreamState;
  /** The handler's argument. */
  facade: QuicRequest | null = null;
  /** Of the payload's bytes in the arena; -1 when they are elsewhere. */
  lentOffset = -1;
  /** The answer was given, or nobody waits for it. */
  isOver = false;
  /** The handler was called and has not settled: it may still look at the payload. */
  isRunning = false;
  /** The FIN has come. */
  isWhole = false;
  place = -1;
  heldBytes = 0;
  waitingBytes = 0;
  /** Pieces that wait for room in the budget; null: there was none. */
  waiting: PieceQueue | null = null;
  #buffer: Uint8Array<ArrayBuffer> = EMPTY;
  #length = 0;
  #error: StreamError | null = null;
  #controller: AbortController | null = null;
  readonly #server: RequestServer;

  constructor(stream: StreamState, server: RequestServer) {
    this.stream = stream;
    this.#server = server;
  }

  // ---- The call of the handler ----

  run(): unknown {
    const { handler } = this.#server;
    return handler(this.facade!);
  }

  succeeded(answer: unknown): void {
    this.#server.answer(this, answer as QuicResponse);
  }

  failure(): Failure {
    const { connection, facade } = this.stream;
    return { part: "request", connection: connection.facade, stream: facade, request: this.facade! };
  }

  failed(error: unknown): void {
    this.#server.fail(this, error);
  }

  settled(): void {
    this.#server.settle(this);
  }

  // ---- Its payload ----

  get share(): Share {
    return this.stream.connection.share ??= new Share();
  }

  /** Bytes that were gathered, and bytes that wait. */
  get payloadBytes(): number {
    return this.#length + (this.waiting?.bytes ?? 0);
  }

  /**
   * How much the buffer grows to take `bytes` more while the budget has room: it doubles, because each growth copies
   * it. `most` is the longest payload.
   */
  wantedGrowth(bytes: number, most: number): number {
    const { length } = this.#buffer;
    const needed = this.#length + bytes - length;
    if (needed <= 0) return 0;
    if (this.isWhole && length === 0) return needed;
    return Math.max(needed, Math.min(Math.max(length, FIRST_BUFFER_BYTES), most - length));
  }

  /** How much it grows when the budget is short: by an eighth. */
  leastGrowth(bytes: number, most: number): number {
    const { length } = this.#buffer;
    return Math.max(this.#length + bytes - length, Math.min(length >> 3, most - length));
  }

  get payload(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Appends bytes of the arena, after making the buffer larger by `growth`. */
  append(bytes: Uint8Array<ArrayBuffer>, growth: number): void {
    if (growth > 0) {
      const larger = new Uint8Array(this.#buffer.length + growth);
      larger.set(this.payload);
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  dropPayload(): void {
    this.#buffer = EMPTY;
    this.#length = 0;
  }

  get isAborted(): boolean {
    return this.#error !== null;
  }

  /** Tells the handler that the client does not wait any more. */
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
