// An adapter's running side: finds the connection or stream of each event and tells it.
import { CloseSource, EventFlag, EventType, FfiEvent, KrepisCode, type KrepisCore } from "@krepis/core";
import { AdapterCode } from "./adapter_codes.ts";
import { AdapterError } from "./adapter_error.ts";
import type { ResolvedServingOptions } from "./adapter_options.ts";
import { AsyncQueue } from "./_async_queue.ts";
import { namesOf } from "./_camel_case.ts";
import { Channel, type EventSink } from "./_channel.ts";
import { type ConnectionHost, ConnectionState, hasEnded, type ListedStream } from "./_connection_state.ts";
import type { ErrorHandler, ErrorReporter } from "./_error_reporter.ts";
import { FairShares } from "./_fair_shares.ts";
import { Firewall } from "./_firewall.ts";
import { ConnectionCall, DatagramCall, LogCall, StreamCall } from "./_program_calls.ts";
import type { MappedRegion } from "./_region.ts";
import { RequestCounters, RequestServer } from "./_request_server.ts";
import { StreamState } from "./_stream_state.ts";
import { WakeLoop } from "./_wake.ts";
import type { LogHandler } from "./log_message.ts";
import type { ConnectionEndSource, DatagramHandler, QuicConnection } from "./quic_connection.ts";
import type { RequestHandler } from "./quic_request.ts";
import type { QuicStream } from "./quic_stream.ts";

/** The functions that the program registered. */
export interface Handlers {
  request?: RequestHandler;
  stream?: (stream: QuicStream) => unknown;
  datagram?: DatagramHandler;
  connection?: (connection: QuicConnection) => unknown;
  log?: LogHandler;
  error?: ErrorHandler;
}

/** How a session ended: the report of the server's stop as JSON, or why there is none. */
export type SessionEnd = { report: string } | {
  error: AdapterError;
  /** The server still runs, and a new session can serve new connections. */
  isResumable: boolean;
};

// Offsets of a record's fields, in words. The fields are read with `!`: they are undefined only after the program has
// detached the memory, which `Channel.view` checks before any bytes are read.
const WORD = {
  flags: FfiEvent.flags / 4,
  connection: FfiEvent.connection / 4,
  stream: FfiEvent.stream / 4,
  offset: FfiEvent.offset / 4,
  length: FfiEvent.length / 4,
  value: FfiEvent.value / 4,
  code: FfiEvent.code / 4,
} as const;
const STREAM_ID_DOUBLE = FfiEvent.stream_id / 8;
/** The slot of a handle; the bits above are its generation. */
const SLOT_MASK = 0xfffff;
/** Size of a block of the arena; see channel.h. */
const BLOCK_BYTES = 32 << 10;
/** Estimated memory of a call that has not settled, without the lent bytes. */
const CALL_BYTES = 256;

const decoder = new TextDecoder();
const EMPTY = new Uint8Array(0);

/** Meaning of the code of the event ChannelClosed. */
const CHANNEL_ENDS = new Map<number, string>([
  [KrepisCode.InvalidContext, "the program stored an invalid ring head"],
  [KrepisCode.Timeout, "the isolate read no events for channel.consumerTimeoutMs"],
  [KrepisCode.ConnectionFailed, "the descriptor that wakes the isolate was closed"],
]);

const SOURCES: readonly (ConnectionEndSource | undefined)[] = namesOf(CloseSource);

export class Session implements EventSink, ConnectionHost {
  readonly core: KrepisCore;
  readonly channel: Channel;
  readonly firewall: Firewall;
  /**
   * Counts payloads and datagrams that are lent to handlers which have not settled. Each holds a whole block of the
   * arena, however short it is, so slow handlers could take the arena from all other connections.
   */
  readonly lent: FairShares;
  /** Bytes of datagrams that were copied because they could not be lent. */
  readonly copied: FairShares;
  datagramsRefused = 0;
  readonly requests: RequestServer | null = null;
  isDraining = false;
  readonly #handlers: Handlers;
  readonly #connections: (ConnectionState | null)[] = []; // by slot
  readonly #streams: (StreamState | null)[] = []; // by slot
  readonly #ended = Promise.withResolvers<SessionEnd>();
  #incoming: AsyncQueue<QuicConnection> | null = null; // null: no loop has begun
  #wake: WakeLoop | null = null;
  #isOver = false;

  /** @param previous the session that this one replaces, because its channel was lost */
  constructor(
    core: KrepisCore,
    region: MappedRegion,
    handlers: Handlers,
    options: ResolvedServingOptions,
    errors: ErrorReporter,
    previous: Session | null = null,
  ) {
    this.core = core;
    this.channel = new Channel(core.channel, region, () => this.#lose());
    this.#handlers = handlers;
    this.firewall = new Firewall(errors);
    const partBytes = region.arenaBytes / region.rings; // of one worker
    this.lent = new FairShares(partBytes / BLOCK_BYTES / 2);
    this.copied = new FairShares(options.maxGatheredBytes / 8);
    if (previous !== null) this.#incoming = previous.#incoming;
    if (handlers.request) {
      const waitingCapBytes = partBytes / 2;
      const counters = previous?.requests?.counters ?? new RequestCounters();
      this.requests = new RequestServer(handlers.request, options, waitingCapBytes, this, counters);
    }
    if (handlers.log) core.channel.krepis_channel_log(region.channel, 1);
    if (region.wakeFd >= 0) this.#wake = new WakeLoop(this.channel, this, region.wakeFd);
  }

  /** Resolves when the server has stopped, or the channel was closed. */
  get ended(): Promise<SessionEnd> {
    return this.#ended.promise;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Connections for `for await`, from now on. */
  iterate(): AsyncIterator<QuicConnection, void, void> {
    this.#incoming ??= new AsyncQueue((connection) => this.#refuse(connection));
    if (this.#isOver) this.#incoming.close();
    return this.#incoming[Symbol.asyncIterator]();
  }

  /** Closes the channel; its connections end with `ConsumerGone`. */
  close(): void {
    const error = new AdapterError(KrepisCode.InvalidContext, "the adapter was detached");
    this.#finish({ error, isResumable: false });
  }

  // ---- Events ----

  /** Never throws, whatever the record contains and whatever handlers do. */
  handleEvent(word: number, double: number): void {
    try {
      this.#dispatch(word, double);
    } catch (error) {
      this.handleFailure(error);
    }
  }

  /** The adapter's own work failed, for example because the program wrote into the channel's memory. */
  handleFailure(error: unknown): void {
    if (this.channel.isLost) this.#lose();
    else this.firewall.errors.report(error, { part: "adapter" });
  }

  #dispatch(word: number, double: number): void {
    const type = this.channel.u32[word]!;
    if (type >= EventType.StreamData && type <= EventType.StreamClosed) {
      return this.#handleStream(word, double);
    }
    if (type === EventType.Datagram) return this.#handleDatagram(word);
    return this.#handleRare(word);
  }

  #handleRare(word: number): void {
    const u32 = this.channel.u32;
    switch (u32[word]) {
      case EventType.ConnectionOpened:
        return this.#handleConnection(u32[word + WORD.connection]!, this.#takeText(word));
      case EventType.ConnectionClosed:
        return this.#handleConnectionClosed(word);
      case EventType.DatagramWritable:
        return this.#connection(u32[word + WORD.connection]!)?.handleDatagramWritable();
      case EventType.DatagramFate:
        return this.#connection(u32[word + WORD.connection]!)?.handleFate(
          u32[word + WORD.value]!,
          u32[word + WORD.flags]!,
        );
      case EventType.Draining:
        this.isDraining = true;
        return;
      case EventType.Log:
        return this.#handleLog(this.#takeText(word));
      case EventType.ServerStopped: {
        const report = this.#takeText(word);
        queueMicrotask(() => void this.firewall.protect(() => this.#finishAfterAll(report))); // after this poll
        return;
      }
      case EventType.ChannelClosed:
        return this.#handleChannelClosed(Number(this.#code(word)));
    }
  }

  /** The first event of a stream of the peer has the flag Opened, whatever its type. The stream is accepted here. */
  #handleStream(word: number, double: number): void {
    const u32 = this.channel.u32;
    const isNew = (u32[word + WORD.flags]! & EventFlag.Opened) !== 0;
    const stream = isNew ? this.#accept(word, double) : this.#stream(u32[word + WORD.stream]!);
    if (stream === null) {
      if (u32[word + WORD.length]! > 0) this.channel.release(u32[word + WORD.offset]!);
      return;
    }
    const { requests } = this;
    if (requests !== null && !stream.isLocal && !stream.isUnidirectional) {
      return this.#tellRequest(requests, stream, word, double);
    }
    this.#tellStream(stream, word, double);
    if (isNew) this.#offer(stream);
  }

  #tellStream(stream: StreamState, word: number, double: number): void {
    const u32 = this.channel.u32;
    const flags = u32[word + WORD.flags]!;
    switch (u32[word]) {
      case EventType.StreamData:
        return stream.handleData(
          u32[word + WORD.offset]!,
          u32[word + WORD.length]!,
          (flags & EventFlag.Fin) !== 0,
        );
      case EventType.StreamWritable:
        return stream.handleWritable();
      case EventType.StreamReset:
        return void stream.handleReset(this.#code(word));
      case EventType.StopSending:
        return stream.handleStopSending(this.#code(word));
      case EventType.StreamOpened:
        stream.id = this.channel.f64[double + STREAM_ID_DOUBLE]!;
        return;
      case EventType.StreamClosed:
        this.forgetStream(stream);
        stream.connection.removeStream(stream);
        return stream.handleClosed((flags & EventFlag.Clean) !== 0);
    }
  }

  #tellRequest(requests: RequestServer, stream: StreamState, word: number, double: number): void {
    const u32 = this.channel.u32;
    switch (u32[word]) {
      case EventType.StreamData: {
        const isLast = (u32[word + WORD.flags]! & EventFlag.Fin) !== 0;
        return requests.handleData(stream, u32[word + WORD.offset]!, u32[word + WORD.length]!, isLast);
      }
      case EventType.StreamReset:
        return requests.handleReset(stream, this.#code(word));
      case EventType.StopSending:
        return requests.handleStopSending(stream, this.#code(word));
      default:
        return this.#tellStream(stream, word, double);
    }
  }

  #handleDatagram(word: number): void {
    const u32 = this.channel.u32;
    const offset = u32[word + WORD.offset]!;
    const length = u32[word + WORD.length]!;
    const connection = this.#connection(u32[word + WORD.connection]!);
    const handler = connection?.datagramHandler ?? this.#handlers.datagram;
    if (connection === null || handler === undefined) {
      if (length > 0) this.channel.release(offset);
      return;
    }
    if (length > 0 && this.lent.take(connection.lent, 1)) {
      const bytes = this.channel.view(offset, length);
      this.firewall.call(new DatagramCall(handler, connection, bytes, offset));
      return;
    }
    const hasRoom = this.copied.take(connection.copied, length + CALL_BYTES);
    const copy = length > 0 && hasRoom ? this.channel.view(offset, length).slice() : EMPTY; // RFC 9221: it may be empty
    if (length > 0) this.channel.release(offset);
    if (hasRoom) this.firewall.call(new DatagramCall(handler, connection, copy, -1));
    else this.datagramsRefused++;
  }

  /** A datagram's handler has settled. @param offset of the bytes where they were lent, -1 for a copy */
  returnDatagram(connection: ConnectionState, length: number, offset: number): void {
    if (offset < 0) return this.copied.give(connection.copied, length + CALL_BYTES);
    this.lent.give(connection.lent, 1);
    this.channel.release(offset);
  }

  #handleConnection(handle: number, identity: string): void {
    const connection = new ConnectionState(this, handle, identity);
    place(this.#connections, handle & SLOT_MASK, connection);
    this.#incoming?.push(connection.facade);
    const { connection: handler } = this.#handlers;
    if (handler !== undefined) this.firewall.call(new ConnectionCall(handler, connection));
  }

  /** The last loop over connections was left. A connection is still served if there is another handler. */
  #refuse(connection: QuicConnection): void {
    const { request, stream, datagram, connection: opened } = this.#handlers;
    if (request || stream || datagram || opened) return;
    this.firewall.protect(() =>
      connection.close(AdapterCode.NoConsumer, "the program accepts no connections")
    );
  }

  #handleConnectionClosed(word: number): void {
    const handle = this.channel.u32[word + WORD.connection]!;
    const code = this.#code(word);
    const source = SOURCES[this.channel.u32[word + WORD.flags]!] ?? "localTransport";
    const reason = this.#takeText(word);
    const connection = this.#connection(handle);
    if (connection === null) return;
    this.#connections[handle & SLOT_MASK] = null;
    connection.handleClosed({ source, code: Number(code), reason }, code);
    this.#incoming?.remove(connection.facade);
  }

  /** @param json empty: the arena had no room for the message */
  #handleLog(json: string): void {
    const { log: handler } = this.#handlers;
    if (handler !== undefined && json !== "") this.firewall.call(new LogCall(handler, json));
  }

  // ---- Streams and connections ----

  /** A stream that the peer opened; null when nobody takes its kind. */
  #accept(word: number, double: number): StreamState | null {
    const u32 = this.channel.u32;
    const handle = u32[word + WORD.stream]!;
    const connection = this.#connection(u32[word + WORD.connection]!);
    if (connection === null) return null;
    const id = this.channel.f64[double + STREAM_ID_DOUBLE]!;
    const stream = new StreamState(connection, handle, id, (id & 2) !== 0, false); // RFC 9000 §2.1
    if (!this.#hasTaker(stream)) {
      stream.abandon(AdapterCode.NoConsumer);
      return null;
    }
    place(this.#streams, handle & SLOT_MASK, stream);
    connection.addStream(stream);
    return stream;
  }

  #hasTaker(stream: StreamState): boolean {
    if (this.requests !== null && !stream.isUnidirectional) return true;
    const { stream: onStream, connection } = this.#handlers;
    return onStream !== undefined || connection !== undefined || this.#incoming !== null;
  }

  #offer(stream: StreamState): void {
    const { stream: handler } = this.#handlers;
    if (handler === undefined) return stream.connection.incoming.push(stream.facade);
    if (this.firewall.call(new StreamCall(handler, stream))) stream.handlerWorks();
  }

  openStream(connection: ConnectionState, isUnidirectional: boolean): StreamState {
    connection.requireOpen();
    const { channel } = this;
    const handle = channel.calls.krepis_stream_open(channel.id, connection.handle, isUnidirectional ? 1 : 0);
    if (handle === -KrepisCode.InvalidPointer) throw hasEnded();
    if (handle < 0) throw new AdapterError(-handle, this.core.lastError());
    const stream = new StreamState(connection, handle, -1, isUnidirectional, true);
    place(this.#streams, handle & SLOT_MASK, stream);
    connection.addStream(stream);
    return stream;
  }

  forgetStream(stream: ListedStream): void {
    this.#streams[stream.handle & SLOT_MASK] = null;
  }

  #stream(handle: number): StreamState | null {
    const stream = this.#streams[handle & SLOT_MASK] ?? null;
    return stream !== null && stream.handle === handle ? stream : null;
  }

  #connection(handle: number): ConnectionState | null {
    const connection = this.#connections[handle & SLOT_MASK] ?? null;
    return connection !== null && connection.handle === handle ? connection : null;
  }

  // ---- The rest ----

  /** The code of the event; a bigint if a number would not be exact. */
  #code(word: number): number | bigint {
    const low = this.channel.u32[word + WORD.code]!;
    const high = this.channel.u32[word + WORD.code + 1]!;
    return high < 2 ** 21 ? low + high * 2 ** 32 : BigInt(low) | (BigInt(high) << 32n);
  }

  /** The bytes of an event as text; they are released. */
  #takeText(word: number): string {
    const length = this.channel.u32[word + WORD.length]!;
    if (length === 0) return "";
    const offset = this.channel.u32[word + WORD.offset]!;
    const text = decoder.decode(this.channel.view(offset, length));
    this.channel.release(offset);
    return text;
  }

  /** First handles the events that are left in the rings of other workers. */
  #finishAfterAll(report: string): void {
    while (!this.#isOver && this.channel.poll(this) > 0);
    this.#finish({ report });
  }

  /** The program has detached the memory of all views, so nothing can be read any more. */
  #lose(): void {
    if (this.#isOver) return;
    const text =
      "the program transferred or detached the memory of received bytes, which all payloads share; " +
      "transfer a copy instead. The channel is closed; its connections end with ConsumerGone";
    const error = new AdapterError(KrepisCode.InvalidContext, text);
    this.#finish({ error, isResumable: false });
    this.firewall.errors.report(error, { part: "adapter" });
  }

  /** The library has closed the channel and its connections. Events that were not read are dropped. */
  #handleChannelClosed(code: number): void {
    const isResumable = code !== KrepisCode.InvalidContext;
    const why = CHANNEL_ENDS.get(code) ?? "unknown reason";
    const error = new AdapterError(code, `the library closed the channel and its connections: ${why}`);
    this.#finish({ error, isResumable });
    this.firewall.errors.report(error, { part: "adapter" });
  }

  /** No other session replaces this one. */
  endIteration(): void {
    this.#incoming?.close();
  }

  #finish(end: SessionEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const reason = "report" in end ? "the adapter has stopped" : end.error.message;
    for (const connection of this.#connections) {
      this.firewall.protect(() => connection?.handleClosed({ source: "drain", code: 0, reason }));
    }
    this.#connections.length = 0;
    this.requests?.stop();
    if ("report" in end || !end.isResumable) this.endIteration();
    this.#wake?.stop();
    this.channel.close();
    this.#ended.resolve(end);
  }
}

// Grows without holes, because an array with holes is slower to index.
function place<T>(array: (T | null)[], slot: number, value: T): void {
  while (array.length <= slot) array.push(null);
  array[slot] = value;
}
