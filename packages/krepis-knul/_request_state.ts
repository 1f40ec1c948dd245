// One request: its payload while parts arrive, then its running handler.
import type { Channel } from "./_channel.ts";
import type { Timed } from "./_deadlines.ts";
import type { Holder } from "./_fair_shares.ts";
import { type Gathered, Share } from "./_gather_budget.ts";
import type { Failure } from "./_error_reporter.ts";
import type { Firewall, ProgramCall } from "./_firewall.ts";
import type { Owner } from "./_owner.ts";
import type { PieceQueue } from "./_piece_queue.ts";
import type { QuicConnection } from "./quic_connection.ts";
import type { QuicRequest, QuicResponse, RequestHandler, RequestMechanics } from "./quic_request.ts";
import type { QuicStream } from "./quic_stream.ts";
import type { StreamError } from "./stream_error.ts";

const FIRST_BUFFER_BYTES = 4096;
const EMPTY = new Uint8Array(0);

/** The stream of a request. */
export interface RequestStream extends Owner<QuicStream> {
  readonly channel: Channel;
  readonly connection: RequestConnection;
  request: RequestState | null;
  /** Why writes fail; null: they do not, or the sending side ended with a FIN. */
  readonly writeError: StreamError | null;
  /** Aborts when writes begin to fail. */
  readonly writeSignal: AbortSignal;
  handleData(offset: number, length: number, isLast: boolean): void;
  handleReset(code: number | bigint): boolean;
  handleStopSending(code: number | bigint): void;
  write(bytes: Uint8Array<ArrayBuffer>, isLast: boolean): Promise<void>;
  finish(bytes: Uint8Array<ArrayBuffer>, isLent?: boolean): void;
  finishIfOpen(): void;
  abandon(code: number | bigint): void;
}

/** The connection of a request. */
export interface RequestConnection extends Owner<QuicConnection> {
  share: Share | null;
  readonly lent: Holder;
}

/** What a request needs of the request server. */
export interface RequestHost {
  readonly firewall: Firewall;
  readonly handler: RequestHandler;
  answer(request: RequestState, answer: QuicResponse): void;
  fail(request: RequestState, error: unknown): void;
  settle(request: RequestState): void;
  handleConnectionEnd(request: RequestState, error: StreamError): void;
}

export class RequestState implements RequestMechanics, Timed, Gathered, ProgramCall {
  earlier: Timed | null = null;
  later: Timed | null = null;
  deadlineMs = 0;
  readonly stream: RequestStream;
  /** The handler's argument. */
  facade: QuicRequest | null = null;
  /** Offset of the payload in the arena; -1 when it is not there. */
  lentOffset = -1;
  /** The answer was given, or nobody waits for it. */
  isOver = false;
  /** The handler was called and has not settled: it may still read the payload. */
  isRunning = false;
  /** The FIN was received. */
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
  readonly #host: RequestHost;

  constructor(stream: RequestStream, host: RequestHost) {
    this.stream = stream;
    this.#host = host;
  }

  // ---- The call of the handler ----

  run(): unknown {
    const { handler } = this.#host;
    return handler(this.facade!);
  }

  succeeded(answer: unknown): void {
    this.#host.answer(this, answer as QuicResponse);
  }

  failure(): Failure {
    const { connection, facade } = this.stream;
    return { part: "request", connection: connection.facade, stream: facade, request: this.facade! };
  }

  failed(error: unknown): void {
    this.#host.fail(this, error);
  }

  settled(): void {
    this.#host.settle(this);
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

  /** Aborts the handler's signal: the client no longer waits for the answer. */
  abort(error: StreamError): void {
    this.#error ??= error;
    this.#host.firewall.abort(this.#controller, error);
  }

  handleConnectionEnd(error: StreamError): void {
    this.#host.handleConnectionEnd(this, error);
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#error !== null) this.#controller.abort(this.#error);
    return this.#controller.signal;
  }
}
