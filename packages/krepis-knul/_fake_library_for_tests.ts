// A channel without the library: a test writes event records into its own memory and sees which functions were called.
import {
  type ChannelSymbols,
  EventFlag,
  EventRing,
  EventType,
  FfiEvent,
  KrepisCode,
  type KrepisCore,
  KrepisError,
} from "@krepis/core";
import { resolveServingOptions, type ServingOptions } from "./adapter_options.ts";
import { ErrorReporter } from "./_error_reporter.ts";
import { type Handlers, Session } from "./_session.ts";

const IDENTITY = '{"id":1,"peer":"192.0.2.1:5000","alpn":"knul","server_name":"example.org"}';
const RECORDS = 64;
const BLOCK_BYTES = 4096;
const ARENA_OFFSET = EventRing.records + RECORDS * FfiEvent.size;
const BLOCKS = 256;

export interface FakeEvent {
  type: number;
  flags?: number;
  connection?: number;
  stream?: number;
  bytes?: Uint8Array;
  value?: number;
  streamId?: number;
  code?: number;
}

/** What was done to one stream. */
export interface Sent {
  bytes: number[];
  isFinished: boolean;
  /** A test has sent something on it. */
  isSeen?: boolean;
  resetCode?: bigint;
  stopCode?: bigint;
}

export class FakeLibrary {
  readonly buffer: ArrayBuffer = new ArrayBuffer(ARENA_OFFSET + BLOCKS * BLOCK_BYTES);
  readonly sent: Map<number, Sent> = new Map();
  readonly held: Set<number> = new Set(); // offsets that were not released yet
  readonly log: string[] = [];
  readonly datagrams: Uint8Array[] = [];
  /** If not 0, writes return this. */
  refusal = 0;
  /** How many bytes the next writes take in all. */
  room: number = Infinity;
  /** Handles of connections are invalid, and the session does not know it yet. */
  isGone = false;
  /** Releases are refused with an error, as the library refuses an unknown offset. */
  answersNonsense = false;
  session!: Session;
  #tail = 0;
  #nextBlock = 0;
  #nextStream = 1000;
  #words = new Uint32Array(this.buffer);
  #view = new DataView(this.buffer);

  static open(handlers: Handlers, options: ServingOptions = {}): FakeLibrary {
    const fake = new FakeLibrary();
    const core = {
      channel: fake.#calls as unknown as ChannelSymbols,
      lastError: () => "refused",
      connectionInfo: () => {
        if (fake.isGone) throw new KrepisError(KrepisCode.InvalidPointer, "no such connection");
        return { ...JSON.parse(IDENTITY), smoothed_rtt_us: 1500 };
      },
    } as unknown as KrepisCore;
    const region = {
      buffer: fake.buffer,
      channel: 7,
      rings: 1,
      ringRecords: RECORDS,
      ringOffset: 0,
      ringStride: ARENA_OFFSET,
      arenaOffset: ARENA_OFFSET,
      arenaBytes: BLOCKS * BLOCK_BYTES,
      wakeFd: -1,
    };
    fake.session = new Session(
      core,
      region,
      handlers,
      resolveServingOptions(options),
      new ErrorReporter(handlers.error),
    );
    return fake;
  }

  /** Publishes events and lets the session handle them, as one batch. */
  deliver(...events: FakeEvent[]): void {
    for (const event of events) this.#write(event);
    this.#publish();
  }

  /** Publishes a record of any content. */
  deliverWords(words: number[]): void {
    this.#words.set(words, (EventRing.records + (this.#tail % RECORDS) * FfiEvent.size) / 4);
    this.#tail = (this.#tail + 1) >>> 0;
    this.#publish();
  }

  #publish(): void {
    Atomics.store(this.#words, EventRing.tail / 4, this.#tail);
    while (this.session.channel.poll(this.session) > 0);
  }

  connect(connection = 1): void {
    this.deliver({ type: EventType.ConnectionOpened, connection, bytes: bytesOf(IDENTITY) });
  }

  /** A stream that the peer opened, with its first bytes. */
  data(stream: number, bytes: Uint8Array, flags: number, streamId = 0): FakeEvent {
    return { type: EventType.StreamData, flags, connection: 1, stream, bytes, streamId };
  }

  request(stream: number, bytes: Uint8Array): void {
    this.deliver(this.data(stream, bytes, EventFlag.Opened | EventFlag.Fin));
  }

  of(stream: number): Sent {
    let sent = this.sent.get(stream);
    if (!sent) this.sent.set(stream, sent = { bytes: [], isFinished: false });
    return sent;
  }

  text(stream: number): string {
    return new TextDecoder().decode(new Uint8Array(this.of(stream).bytes));
  }

  #write(event: FakeEvent): void {
    const base = EventRing.records + (this.#tail % RECORDS) * FfiEvent.size;
    const put = (field: number, value: number) => this.#view.setUint32(base + field, value, true);
    put(FfiEvent.type, event.type);
    put(FfiEvent.flags, event.flags ?? 0);
    put(FfiEvent.connection, event.connection ?? 0);
    put(FfiEvent.stream, event.stream ?? 0);
    put(FfiEvent.value, event.value ?? 0);
    put(FfiEvent.sequence, this.#tail);
    const length = event.bytes?.length ?? 0;
    put(FfiEvent.length, length);
    put(FfiEvent.offset, length > 0 ? this.#store(event.bytes!) : 0xffffffc0);
    this.#view.setFloat64(base + FfiEvent.stream_id, event.streamId ?? -1, true);
    this.#view.setBigUint64(base + FfiEvent.code, BigInt(event.code ?? 0), true);
    this.#tail = (this.#tail + 1) >>> 0;
  }

  #store(bytes: Uint8Array): number {
    const offset = (this.#nextBlock++ % BLOCKS) * BLOCK_BYTES;
    if (this.held.has(offset)) throw new Error("the fake arena is full");
    this.held.add(offset);
    new Uint8Array(this.buffer, ARENA_OFFSET + offset, bytes.length).set(bytes);
    return offset;
  }

  readonly #calls = {
    krepis_channel_arm: () => 0,
    krepis_channel_release: (_: number, offsets: Uint32Array, count: number) => {
      for (const offset of offsets.subarray(0, count)) {
        if (this.answersNonsense) return KrepisCode.InvalidRequest;
        if (!this.held.delete(offset)) throw new Error(`offset ${offset} was released twice`);
        // A read after the release must be noticed.
        new Uint8Array(this.buffer, ARENA_OFFSET + offset, BLOCK_BYTES).fill(0xee);
      }
      this.log.push(`release ${count}`);
      return 0;
    },
    krepis_channel_flush: () => {
      this.log.push("flush");
      return 0;
    },
    krepis_channel_log: (_: number, enabled: number) => this.#note(`log ${enabled}`),
    krepis_channel_close: () => this.#note("close"),
    krepis_channel_unmap: () => this.#note(`unmap ${this.buffer.detached}`),
    krepis_stream_write: (_: number, stream: number, bytes: Uint8Array, length: number, flags: number) => {
      if (this.refusal !== 0) return this.refusal;
      const taken = Math.min(length, this.room);
      this.room -= taken;
      const sent = this.of(stream);
      for (const byte of bytes.subarray(0, taken)) sent.bytes.push(byte);
      if (flags & 1 && taken === length) sent.isFinished = true;
      return taken;
    },
    krepis_stream_open: (_: number, connection: number, uni: number) => {
      if (this.isGone) return -KrepisCode.InvalidPointer;
      this.log.push(`open ${connection} ${uni}`);
      return this.#nextStream++;
    },
    krepis_stream_reset: (_: number, stream: number, code: bigint) => {
      this.of(stream).resetCode ??= code;
      return 0;
    },
    krepis_stream_stop_sending: (_: number, stream: number, code: bigint) => {
      this.of(stream).stopCode ??= code;
      return 0;
    },
    krepis_stream_priority: (_: number, stream: number, urgency: number, incremental: number) =>
      this.#note(`priority ${stream} ${urgency} ${incremental}`),
    krepis_datagram_send: (
      ...[, , bytes, length, policy, expires, context]: [
        number,
        number,
        Uint8Array,
        number,
        number,
        number,
        number,
      ]
    ) => {
      if (this.isGone) return -KrepisCode.InvalidPointer;
      this.datagrams.push(bytes.slice(0, length));
      this.log.push(`datagram ${length} ${policy} ${expires} ${context}`);
      return this.room > 0 ? 1 : 0;
    },
    krepis_connection_close: (_: number, connection: number, code: bigint, __: Uint8Array, length: number) =>
      this.isGone
        ? KrepisCode.InvalidPointer
        : this.#note(`close connection ${connection} ${code} ${length}`),
  };

  #note(text: string): number {
    this.log.push(text);
    return 0;
  }
}

/** Bytes of a text. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** Runs the microtasks that are ready. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
