import { checkCode } from "./_application_code.ts";
import { AdapterError } from "./adapter_error.ts";
import { bytesOf, checkBoolean, checkInteger, checkOptions, type QuicBytes } from "./_conversions.ts";
import { rejected } from "./_observed.ts";
import type { Owner } from "./_owner.ts";
import { makeReadable, makeWritable, type ReceivingSide, type SendingSide } from "./_web_streams.ts";
import type { QuicConnection } from "./quic_connection.ts";
import type { StreamError } from "./stream_error.ts";
import { KrepisCode } from "@krepis/core";

export type { QuicBytes } from "./_conversions.ts";

/** How a stream ended. */
export interface StreamEnd {
  /** True if neither side reset or stopped it, and all bytes were acknowledged. */
  isClean: boolean;
  error?: StreamError;
}

/** The order in which the streams of a connection send (as in RFC 9218 §4). */
export interface StreamPriority {
  /** 0 to 7, lower first. Default: 3. */
  urgency?: number;
  /** True: streams of the same urgency take turns. Default: true. */
  incremental?: boolean;
}

/** The stream behind a `QuicStream`. */
export interface StreamMechanics extends ReceivingSide, SendingSide {
  readonly connection: Owner<QuicConnection>;
  /** RFC 9000 §2.1; -1 while it waits for the peer's limit. */
  readonly id: number;
  readonly isUnidirectional: boolean;
  readonly isLocal: boolean;
  readonly canRead: boolean;
  readonly canWrite: boolean;
  readonly closed: Promise<StreamEnd>;
  /** Aborts when a direction ends without a FIN. */
  readonly signal: AbortSignal;
  tryRead(): Uint8Array<ArrayBuffer> | null | undefined;
  readAs<T>(give: (bytes: Uint8Array<ArrayBuffer> | null) => T): Promise<T>;
  setPriority(urgency: number, isIncremental: boolean): number;
  abandonRest(): void;
}

const EMPTY = new Uint8Array(0);

/**
 * A QUIC stream. `read` and `write` are fast; `readable` and `writable` are WebStreams, created on first use. Use one
 * kind for each direction.
 *
 * **The directions are independent** (RFC 9000 §3). Receiving ends with the peer's FIN or reset, or with
 * `stopSending`; sending ends with `end` or `reset`, or when the peer stops reading. The end of one direction does not
 * change the other; the end of the connection ends both. A stream counts against the peer's limit until both directions
 * have ended, so end the direction that you do not use: `using` ends both at the end of a block.
 *
 * @example An echo, piece by piece
 * ```ts
 * import type { QuicStream } from "@krepis/knul";
 *
 * async function echo(stream: QuicStream) {
 *   for await (const bytes of stream) await stream.write(bytes);
 *   await stream.end();
 * }
 * console.assert(echo.length === 1);
 * ```
 */
export class QuicStream implements Disposable {
  readonly #state: StreamMechanics;
  #readable: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;
  #writable: WritableStream<Uint8Array<ArrayBuffer>> | null = null;

  /** Made by the adapter. */
  constructor(state: StreamMechanics) {
    this.#state = state;
  }

  /** Stream ID (RFC 9000 §2.1); undefined while the stream waits for the peer's stream limit. */
  get id(): number | undefined {
    return this.#state.id < 0 ? undefined : this.#state.id;
  }

  /** In a "unidirectional" stream one side writes and the other reads. */
  get direction(): "bidirectional" | "unidirectional" {
    return this.#state.isUnidirectional ? "unidirectional" : "bidirectional";
  }

  get openedBy(): "peer" | "program" {
    return this.#state.isLocal ? "program" : "peer";
  }

  get connection(): QuicConnection {
    return this.#state.connection.facade;
  }

  /**
   * Returns the next bytes, at least one; null at the end. **The bytes are lent**: they are the library's memory and may
   * change at the next read of this stream, or when the receiving side has ended and the handler's promise is settled.
   * Copy bytes that you need longer (`slice()`). The peer gets credit only for bytes that were read: a program that stops
   * reading slows down this peer only.
   *
   * @throws {StreamError} `ConnectionFailed` (5001): the peer reset the stream, the program stopped reading, or the
   *   connection ended before all bytes had arrived
   * @throws {AdapterError} `InvalidContext` (1001): another read is pending, or the stream is send-only
   */
  read(): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#state.read();
  }

  /**
   * As `read`, without waiting: undefined when no bytes have arrived.
   * @throws {StreamError} as `read`
   */
  tryRead(): Uint8Array<ArrayBuffer> | null | undefined {
    return this.#state.tryRead();
  }

  /** Reads until the end; each piece is lent until the next. Leaving the loop early stops the peer with code 0. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array<ArrayBuffer>, void, void> {
    const state = this.#state;
    let isOver = false;
    const over: IteratorReturnResult<void> = { value: undefined, done: true };
    const give = (bytes: Uint8Array<ArrayBuffer> | null): IteratorResult<Uint8Array<ArrayBuffer>, void> => {
      if (bytes !== null) return { value: bytes, done: false };
      isOver = true;
      return over;
    };
    return { // an async generator makes two more promises for each piece
      next: () => isOver ? Promise.resolve(over) : state.readAs(give),
      return() {
        isOver = true;
        state.returnLent();
        state.stopSending(0n);
        return Promise.resolve(over);
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /**
   * Sends bytes. Resolves when the library has accepted all bytes, which is at once while the peer keeps up. Await it for
   * back-pressure.
   *
   * @param bytes a view or buffer that must not change until the promise resolves, or text (sent as UTF-8)
   * @throws {StreamError} `ConnectionFailed` (5001): the peer stopped reading, the program reset the stream, or the
   *   connection ended
   * @throws {AdapterError} `InvalidContext` (1001): after `end`, or the stream is receive-only; `InvalidRequest` (4001):
   *   not bytes or text
   */
  write(bytes: QuicBytes): Promise<void> {
    return this.#write(bytes, false);
  }

  /**
   * Ends the sending side.
   * @param bytes the last bytes. Default: none
   * @throws {StreamError} as `write`
   */
  end(bytes: QuicBytes = EMPTY): Promise<void> {
    return this.#write(bytes, true);
  }

  #write(bytes: QuicBytes, isLast: boolean): Promise<void> {
    let exact;
    try {
      exact = bytesOf("bytes", bytes);
    } catch (error) {
      return rejected(error);
    }
    return this.#state.write(exact, isLast);
  }

  /**
   * The receiving side as a WebStream in default mode; its chunks are copies. `cancel` calls `stopSending`; a reset
   * of the peer is the error of the WebStream. The peer gets the code of the reason: a whole number is the code
   * itself, an error may have a code in `applicationCode` (as a `StreamError` does), and every other reason has code
   * 0. An invalid number rejects `cancel`, and the peer gets `AdapterCode.HandlerFailed`.
   * @throws {AdapterError} `InvalidContext` (1001): the stream is send-only
   */
  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    if (!this.#state.canRead) throw new AdapterError(KrepisCode.InvalidContext, "the stream is send-only");
    return this.#readable ??= makeReadable(this.#state);
  }

  /**
   * The sending side as a WebStream. It accepts the same chunks as `write`; an invalid chunk resets the stream with
   * `AdapterCode.HandlerFailed`. `close` calls `end`, and `abort` calls `reset` with the code of the reason as for
   * `readable`; STOP_SENDING of the peer is the error of the WebStream.
   * @throws {AdapterError} `InvalidContext` (1001): the stream is receive-only
   */
  get writable(): WritableStream<Uint8Array<ArrayBuffer>> {
    if (!this.#state.canWrite) {
      throw new AdapterError(KrepisCode.InvalidContext, "the stream is receive-only");
    }
    return this.#writable ??= makeWritable(this.#state);
  }

  /**
   * Ends the sending side with RESET_STREAM and discards unsent bytes. No effect after its end.
   * @param code application error code, 0 to 2^62 - 1. Default: 0
   * @throws {AdapterError} `InvalidRequest` (4001): invalid code
   */
  reset(code: number | bigint = 0): void {
    this.#state.reset(checkCode("code", code));
  }

  /**
   * Ends the receiving side with STOP_SENDING and discards unread bytes. No effect after its end.
   * @param code application error code, 0 to 2^62 - 1. Default: 0
   * @throws {AdapterError} `InvalidRequest` (4001): invalid code
   */
  stopSending(code: number | bigint = 0): void {
    this.#state.stopSending(checkCode("code", code));
  }

  /** @throws {AdapterError} `InvalidRequest` (4001): invalid value; `InvalidPointer` (1004): the stream is closed */
  setPriority(priority: StreamPriority): void {
    const { urgency = 3, incremental = true } = checkOptions("priority", priority, [
      "urgency",
      "incremental",
    ]);
    checkInteger("urgency", urgency, 0, 7);
    checkBoolean("incremental", incremental);
    const code = this.#state.setPriority(urgency, incremental);
    if (code !== KrepisCode.Success) throw new AdapterError(code, "the stream is closed");
  }

  /** Resolves when both directions have ended in any way. */
  get closed(): Promise<StreamEnd> {
    return this.#state.closed;
  }

  /**
   * Aborts when one direction is reset, stopped or cut; the reason is the `StreamError`. The other direction goes on, and
   * its reads or writes do not fail.
   */
  get signal(): AbortSignal {
    return this.#state.signal;
  }

  /** Resets and stops open directions with code 0; called at the end of a block with `using stream = …`. */
  [Symbol.dispose](): void {
    this.#state.abandonRest();
  }
}
