// The state of one stream: bytes that wait to be read, writes that wait for room, and how it ended. The program uses
// it through QuicStream, which is made on first use.
//
// RFC 9000 §3: the directions are independent. Reads fail only after a reset of the peer, stopSending, or the end of
// the connection; writes fail only after STOP_SENDING, reset, or the end of the connection.
import { KrepisCode } from "@krepis/core";
import { AdapterCode } from "./adapter_codes.ts";
import { AdapterError } from "./adapter_error.ts";
import type { Channel } from "./_channel.ts";
import type { ConnectionState, ListedStream } from "./_connection_state.ts";
import { observedResolvers, rejected } from "./_observed.ts";
import { PieceQueue } from "./_piece_queue.ts";
import type { RequestState, RequestStream } from "./_request_state.ts";
import { QuicStream, type StreamEnd, type StreamMechanics } from "./quic_stream.ts";
import { StreamError } from "./stream_error.ts";

/** A read that waits for bytes. */
interface Reader {
  resolve(bytes: Uint8Array<ArrayBuffer> | null): void;
  reject(error: unknown): void;
}

interface PendingWrite {
  bytes: Uint8Array<ArrayBuffer>;
  isLast: boolean;
  done: PromiseWithResolvers<void>;
}

/** The signals that the program has read; others are not made. */
type StreamSignals = Partial<Record<"reads" | "writes" | "either", AbortController>>;

/** One write call takes at most this; the ABI's limit is 2^30. */
const MAX_WRITE_BYTES = 1 << 28;
const DONE = Promise.resolve();
/** Releases the bytes of a closed stream's last view when the view is garbage-collected. */
const orphans = new FinalizationRegistry<{ channel: Channel; offset: number }>(({ channel, offset }) =>
  channel.release(offset)
);
const EMPTY = new Uint8Array(0);

export class StreamState implements StreamMechanics, ListedStream, RequestStream {
  readonly channel: Channel;
  readonly connection: ConnectionState;
  readonly handle: number;
  /** RFC 9000 §2.1; -1 while it waits for the peer's limit. */
  id: number;
  readonly isUnidirectional: boolean;
  readonly isLocal: boolean;
  request: RequestState | null = null;
  /** The connection's list of streams. */
  previous: ListedStream | null = null;
  next: ListedStream | null = null;

  #pieces: PieceQueue | null = null; // received and not read; null: none so far
  #kept: Uint8Array<ArrayBuffer>[] | null = null; // copies of the bytes that were unread when the stream closed
  #lentOffset = -1;
  #lent: Uint8Array<ArrayBuffer> | null = null; // the view at #lentOffset
  #handler: "none" | "works" | "done" = "none"; // only for a handler that returned a promise
  #isAtEnd = false;
  #readError: StreamError | null = null;
  #reader: Reader | null = null;

  #writes: PendingWrite[] | null = null;
  #isFinished = false;
  #writeError: StreamError | null = null;

  #end: StreamEnd | null = null;
  #closed: PromiseWithResolvers<StreamEnd> | null = null;
  #signals: StreamSignals | null = null;
  #facade: QuicStream | null = null;

  constructor(
    connection: ConnectionState,
    handle: number,
    id: number,
    isUnidirectional: boolean,
    isLocal: boolean,
  ) {
    this.channel = connection.channel;
    this.connection = connection;
    this.handle = handle;
    this.id = id;
    this.isUnidirectional = isUnidirectional;
    this.isLocal = isLocal;
  }

  get facade(): QuicStream {
    return this.#facade ??= new QuicStream(this);
  }

  get canRead(): boolean {
    return !(this.isUnidirectional && this.isLocal);
  }

  get canWrite(): boolean {
    return !(this.isUnidirectional && !this.isLocal);
  }

  /** Why writes fail; null: they do not, or the sending side ended with a FIN. */
  get writeError(): StreamError | null {
    return this.#writeError;
  }

  // ---- Reading ----

  /** Takes the bytes of an event. They are released after the program has read them, or at once if it cannot. */
  handleData(offset: number, length: number, isLast: boolean): void {
    if (isLast) this.#isAtEnd = true;
    if (length > 0) {
      if (this.#readError !== null) this.channel.release(offset);
      else (this.#pieces ??= new PieceQueue()).push(offset, length);
    }
    this.#wakeReader();
  }

  /** @returns false: all bytes had arrived before, so the reset has no effect (RFC 9000 §3.2) */
  handleReset(code: number | bigint): boolean {
    if (this.#isAtEnd) return false;
    this.failReading(new StreamError("reset", code, "the peer reset the stream"));
    return true;
  }

  /** @returns a view, null at the end, undefined when nothing is there yet */
  tryRead(): Uint8Array<ArrayBuffer> | null | undefined {
    this.returnLent();
    const pieces = this.#pieces;
    if (pieces !== null && !pieces.isEmpty) {
      const { offset, length } = pieces;
      pieces.drop();
      this.#lentOffset = offset;
      return this.#lent = this.channel.view(offset, length);
    }
    if (this.#kept !== null && this.#kept.length > 0) return this.#kept.shift();
    if (this.#readError !== null) throw this.#readError;
    if (this.#isAtEnd) return null;
    if (!this.canRead) throw new AdapterError(KrepisCode.InvalidContext, "the stream is send-only");
    return undefined;
  }

  read(): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.readAs(asTheyAre);
  }

  /** @param give converts the bytes that were read, or null at the end; must not throw */
  readAs<T>(give: (bytes: Uint8Array<ArrayBuffer> | null) => T): Promise<T> {
    if (this.#reader !== null) {
      return rejected(
        new AdapterError(KrepisCode.InvalidContext, "another read of this stream is pending"),
      );
    }
    try {
      const now = this.tryRead();
      if (now !== undefined) return Promise.resolve(give(now));
    } catch (error) {
      return rejected(error);
    }
    const { promise, resolve, reject } = observedResolvers<T>();
    this.#reader = { resolve: (bytes) => resolve(give(bytes)), reject };
    return promise;
  }

  /** Releases the bytes that the latest read returned; their view must not be used any more. */
  returnLent(): void {
    if (this.#lentOffset < 0) return;
    this.channel.release(this.#lentOffset);
    this.#lentOffset = -1;
    this.#lent = null;
  }

  /** Everything that the peer sent was read. */
  get #isRead(): boolean {
    return this.#isAtEnd && (this.#pieces === null || this.#pieces.isEmpty);
  }

  /** The handler has returned a promise: it uses the stream until the promise is settled. */
  handlerWorks(): void {
    this.#handler = "works";
  }

  /** The handler's promise is settled. Releases the last piece if no later read can do so. */
  handlerDone(): void {
    if (this.#handler !== "works") return;
    this.#handler = "done";
    if (this.#isRead || this.#readError !== null) this.returnLent();
  }

  // The stream has closed, and the program may still use the last piece. A running handler releases it when it settles;
  // without a handler it is released when its view is garbage-collected.
  #endLoan(): void {
    if (this.#lentOffset < 0 || this.#handler === "works") return;
    if (this.#handler === "done") return this.returnLent();
    orphans.register(this.#lent!, { channel: this.channel, offset: this.#lentOffset });
    this.#lentOffset = -1;
    this.#lent = null;
  }

  stopSending(code: bigint): void {
    if (this.#end !== null || !this.canRead || this.#readError !== null) return;
    if (this.#isRead) return;
    this.channel.calls.krepis_stream_stop_sending(this.channel.id, this.handle, code);
    this.failReading(new StreamError("local", code, "the program stopped reading the stream"));
  }

  /** Ends the receiving side and drops what was not read. */
  failReading(error: StreamError): void {
    if (this.#readError !== null) return;
    this.#readError = error;
    this.#pieces?.release(this.channel);
    this.#abort("reads", error);
    this.#wakeReader();
  }

  /** Aborts when reads begin to fail. */
  get readSignal(): AbortSignal {
    return this.#signal("reads", this.#readError);
  }

  #wakeReader(): void {
    const reader = this.#reader;
    if (reader === null) return;
    try {
      const now = this.tryRead();
      if (now === undefined) return;
      this.#reader = null;
      reader.resolve(now);
    } catch (error) {
      this.#reader = null;
      reader.reject(error);
    }
  }

  // ---- Writing ----

  /** Resolves when the library has accepted all bytes. They must not change until then. */
  write(bytes: Uint8Array<ArrayBuffer>, isLast: boolean): Promise<void> {
    if (this.#writeError !== null) return rejected(this.#writeError);
    if (this.#isFinished || !this.canWrite) {
      const text = this.canWrite ? "the stream's sending side has ended" : "the stream is receive-only";
      return rejected(new AdapterError(KrepisCode.InvalidContext, text));
    }
    if (isLast) this.#isFinished = true;
    if (this.#writes === null) {
      const taken = this.#give(bytes, isLast);
      if (taken === bytes.length) return DONE;
      if (isRefused(taken)) return rejected(this.#refuse(-taken));
      bytes = bytes.subarray(Math.max(taken, 0));
      this.#writes = [];
    }
    const done = observedResolvers<void>();
    this.#writes.push({ bytes, isLast, done });
    return done.promise;
  }

  /** Writes the last bytes without a promise. `isLent`: they are in the arena, so what must wait is copied. */
  finish(bytes: Uint8Array<ArrayBuffer>, isLent = false): void {
    if (this.#writes === null && !this.#isFinished && this.#writeError === null) {
      const taken = this.#give(bytes, true);
      this.#isFinished = true;
      if (isRefused(taken)) return void this.#refuse(-taken);
      if (taken === bytes.length || taken < 0) return;
      this.#isFinished = false;
      bytes = bytes.subarray(taken);
    }
    void this.write(isLent ? bytes.slice() : bytes, true);
  }

  /** Sends a FIN unless the sending side has ended. */
  finishIfOpen(): void {
    if (!this.#isFinished && this.#writeError === null) this.finish(EMPTY);
  }

  handleWritable(): void {
    const writes = this.#writes;
    if (writes === null) return;
    let done = 0;
    while (done < writes.length) {
      const write = writes[done]!;
      const taken = this.#give(write.bytes, write.isLast);
      if (isRefused(taken)) return void this.#refuse(-taken);
      if (taken < write.bytes.length || taken < 0) {
        write.bytes = write.bytes.subarray(Math.max(taken, 0));
        break;
      }
      done++;
      write.done.resolve();
    }
    if (done === writes.length) this.#writes = null;
    else writes.splice(0, done);
  }

  handleStopSending(code: number | bigint): void {
    this.failWriting(new StreamError("stopped", code, "the peer stopped reading the stream"));
  }

  reset(code: bigint): void {
    if (this.#end !== null || !this.canWrite || this.#writeError !== null) return;
    this.channel.calls.krepis_stream_reset(this.channel.id, this.handle, code);
    this.failWriting(new StreamError("local", code, "the program reset the stream"));
  }

  /** Ends the sending side; writes that wait are rejected. */
  failWriting(error: StreamError): void {
    this.#writeError ??= error;
    this.#isFinished = true;
    const writes = this.#writes;
    this.#writes = null;
    if (writes !== null) { for (const { done } of writes) done.reject(error); }
    this.#abort("writes", error);
  }

  /** Aborts when writes begin to fail. */
  get writeSignal(): AbortSignal {
    return this.#signal("writes", this.#writeError);
  }

  #give(bytes: Uint8Array<ArrayBuffer>, isLast: boolean): number {
    if (bytes.length <= MAX_WRITE_BYTES) return this.channel.write(this.handle, bytes, isLast);
    let taken = 0;
    while (taken < bytes.length) {
      const part = bytes.subarray(taken, taken + MAX_WRITE_BYTES);
      const now = this.channel.write(this.handle, part, isLast && taken + part.length === bytes.length);
      if (now < 0) return now;
      taken += now;
      if (now < part.length) break;
    }
    return taken;
  }

  /** The library had no memory for a write. Resets the stream, because later bytes would leave a gap. */
  #refuse(code: number): StreamError {
    const error = new StreamError(
      "local",
      AdapterCode.Overloaded,
      `the library refused a write with code ${code}`,
    );
    this.channel.calls.krepis_stream_reset(this.channel.id, this.handle, error.exactCode);
    this.failWriting(error);
    return error;
  }

  /** @returns a KrepisCode */
  setPriority(urgency: number, isIncremental: boolean): number {
    if (this.#end !== null) return KrepisCode.InvalidPointer;
    return this.channel.calls.krepis_stream_priority(
      this.channel.id,
      this.handle,
      urgency,
      isIncremental ? 1 : 0,
    );
  }

  // ---- The end ----

  /** Resets and stops the directions that have not ended, with one code. */
  abandon(code: number | bigint): void {
    const exact = BigInt(code);
    this.reset(exact);
    this.stopSending(exact);
  }

  /** As `abandon(0)`, but a FIN that was already written is still sent. Drops unread bytes. */
  abandonRest(): void {
    if (!this.#isFinished) this.reset(0n);
    this.returnLent();
    this.stopSending(0n);
  }

  /** The handles of this stream and its connection are no longer valid. */
  handleConnectionEnd(error: StreamError): void {
    this.request?.handleConnectionEnd(error);
    this.handleClosed(false, error);
  }

  /** The handle is no longer valid. */
  handleClosed(isClean: boolean, error?: StreamError): void {
    if (this.#end !== null) return;
    const reason = error ?? this.#readError ?? this.#writeError ?? undefined;
    this.#end = reason ? { isClean, error: reason } : { isClean };
    if (this.#isAtEnd && !this.channel.isLost) this.#keepUnread();
    else if (this.canRead) this.failReading(error ?? closedError());
    if (this.#writes !== null || error) this.failWriting(error ?? closedError());
    this.#endLoan();
    this.#closed?.resolve(this.#end);
  }

  // A stream that arrived whole stays readable after it has closed. Its bytes are copied out of the arena, where a
  // program that never reads them would take room from other connections.
  #keepUnread(): void {
    for (const pieces = this.#pieces; pieces !== null && !pieces.isEmpty; pieces.drop()) {
      (this.#kept ??= []).push(this.channel.view(pieces.offset, pieces.length).slice());
      this.channel.release(pieces.offset);
    }
  }

  get closed(): Promise<StreamEnd> {
    this.#closed ??= Promise.withResolvers();
    if (this.#end !== null) this.#closed.resolve(this.#end);
    return this.#closed.promise;
  }

  /** Aborts when a direction ends without a FIN. */
  get signal(): AbortSignal {
    return this.#signal("either", this.#readError ?? this.#writeError);
  }

  #signal(of: keyof StreamSignals, error: StreamError | null): AbortSignal {
    this.#signals ??= {};
    const controller = this.#signals[of] ??= new AbortController();
    if (error !== null) controller.abort(error);
    return controller.signal;
  }

  #abort(of: "reads" | "writes", error: StreamError): void {
    if (this.#signals === null) return;
    const { firewall } = this.connection.host;
    firewall.abort(this.#signals[of], error);
    firewall.abort(this.#signals.either, error);
  }
}

/**
 * Whether the library refused the write itself. After the end of the sending side or of the stream the write is not
 * refused: it waits for the event of that end, which carries the application code.
 */
function isRefused(taken: number): boolean {
  return taken < 0 && taken !== -KrepisCode.InvalidContext && taken !== -KrepisCode.InvalidPointer;
}

function asTheyAre(bytes: Uint8Array<ArrayBuffer> | null): Uint8Array<ArrayBuffer> | null {
  return bytes;
}

/** Called only when the program sees the error, because capturing its stack costs more than serving a request. */
function closedError(): StreamError {
  return new StreamError("local", 0, "the stream is closed");
}
