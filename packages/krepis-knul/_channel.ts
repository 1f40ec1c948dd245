// One consumer of one server: reads event records by index, collects releases, and defers the notice to the
// workers until the end of a batch. Hot path: nothing here allocates for an event.
import { type ChannelSymbols, EventRing, FfiEvent, KrepisCode, WriteFlag } from "@krepis/core";
import { AdapterError } from "./adapter_error.ts";
import type { MappedRegion } from "./_region.ts";

/** Told of each record: `word` indexes `u32`, `double` indexes `f64`. */
export interface EventSink {
  /** Must not throw. */
  handleEvent(word: number, double: number): void;
  handleFailure(error: unknown): void;
}

/** The most records read from one ring before the next ring has its turn and the head is stored. */
const RECORDS_PER_TURN = 512;
/** Releases that are collected before they are passed to the library in one call. */
const RELEASES_KEPT = 1024;
// After this many writes or bytes the workers are notified before the batch ends, so that they can start sending. It is
// not done for each write, because waking a worker that sleeps costs a system call.
const WRITES_PER_FLUSH = 256;
const BYTES_PER_FLUSH = 64 * 1024;

const RECORD_WORDS = FfiEvent.size / 4;
const RECORD_DOUBLES = FfiEvent.size / 8;
const HEAD_WORDS = (EventRing.head - EventRing.tail) / 4;

export class Channel {
  readonly id: number;
  readonly calls: ChannelSymbols;
  readonly buffer: ArrayBuffer;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;
  readonly arenaOffset: number;
  readonly #i32: Int32Array<ArrayBuffer>;
  readonly #ringWords: number[] = [];
  readonly #heads: number[] = [];
  readonly #ringRecords: number;
  readonly #releases = new Uint32Array(RELEASES_KEPT);
  #releaseCount = 0;
  #writes = 0;
  #writtenBytes = 0;
  #isInBatch = false;
  #batchMs = -1; // what nowMs returns in this batch; -1: not read yet
  #isFlushScheduled = false;
  #isOpen = true;
  readonly #onLost: () => void;

  /** @param onLost called, perhaps more than once, when the program has detached the region; must not throw */
  constructor(calls: ChannelSymbols, region: MappedRegion, onLost: () => void) {
    this.#onLost = onLost;
    this.id = region.channel;
    this.calls = calls;
    this.buffer = region.buffer;
    this.u32 = new Uint32Array(region.buffer);
    this.f64 = new Float64Array(region.buffer);
    this.#i32 = new Int32Array(region.buffer);
    this.arenaOffset = region.arenaOffset;
    this.#ringRecords = region.ringRecords;
    for (let ring = 0; ring < region.rings; ring++) {
      const words = (region.ringOffset + ring * region.ringStride) / 4;
      this.#ringWords.push(words);
      this.#heads.push(Atomics.load(this.#i32, words + HEAD_WORDS));
    }
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whether the program has detached the region. JavaScript cannot prevent it. */
  get isLost(): boolean {
    return this.#isOpen && this.#i32.length === 0;
  }

  /** Gives the sink one turn's records of every ring. @returns how many */
  poll(sink: EventSink): number {
    let records = 0;
    this.#isInBatch = true;
    this.#batchMs = -1;
    try {
      for (let ring = 0; ring < this.#ringWords.length && this.#isOpen && !this.isLost; ring++) {
        records += this.#pollRing(ring, sink);
      }
    } finally {
      this.#isInBatch = false;
      this.flush();
    }
    return records;
  }

  #pollRing(ring: number, sink: EventSink): number {
    const words = this.#ringWords[ring]!;
    const records = (words + EventRing.records / 4) | 0;
    const mask = this.#ringRecords - 1;
    let head = this.#heads[ring]!;
    const waiting = (Atomics.load(this.#i32, words) - head) >>> 0;
    const last = (head + Math.min(waiting, RECORDS_PER_TURN)) | 0;
    const first = head;
    try {
      while (head !== last && this.#isOpen) {
        const index = head & mask;
        head = (head + 1) | 0; // before the sink, so that an error there cannot repeat the record
        sink.handleEvent(records + index * RECORD_WORDS, (records >>> 1) + index * RECORD_DOUBLES);
      }
    } finally {
      this.#heads[ring] = head;
      if (this.#isOpen && !this.isLost) Atomics.store(this.#i32, words + HEAD_WORDS, head);
    }
    return (head - first) >>> 0;
  }

  /** `performance.now()`, read once per batch: reading it costs more than serving a request. */
  nowMs(): number {
    if (!this.#isInBatch) return performance.now();
    if (this.#batchMs < 0) this.#batchMs = performance.now();
    return this.#batchMs;
  }

  /** @returns true when it may sleep: the next event writes to the wake descriptor */
  arm(): boolean {
    return this.calls.krepis_channel_arm(this.id) === 0;
  }

  /**
   * The bytes of an event, where the library put them. Lifetime: until their offset is released.
   * @throws {AdapterError} `InvalidContext` (1001): the program has detached the region
   */
  view(offset: number, length: number): Uint8Array<ArrayBuffer> {
    if (this.#i32.length === 0) {
      queueMicrotask(this.#onLost); // later: the program may be inside a read
      throw new AdapterError(KrepisCode.InvalidContext, "the memory of received bytes was detached");
    }
    return new Uint8Array(this.buffer, this.arenaOffset + offset, length);
  }

  /** Gives an event's bytes back. */
  release(offset: number): void {
    if (!this.#isOpen) return;
    if (this.#releaseCount === RELEASES_KEPT) this.#releaseAll();
    this.#releases[this.#releaseCount++] = offset;
    this.scheduleFlush();
  }

  /** @returns bytes taken, or an error code negated; see krepis_stream_write */
  write(stream: number, bytes: Uint8Array<ArrayBuffer>, isLast: boolean): number {
    if (!this.#isOpen) return -KrepisCode.InvalidPointer;
    const flags = isLast ? WriteFlag.Fin | WriteFlag.Later : WriteFlag.Later;
    const taken = this.calls.krepis_stream_write(this.id, stream, bytes, bytes.length, flags);
    this.#writtenBytes += bytes.length;
    if (++this.#writes >= WRITES_PER_FLUSH || this.#writtenBytes >= BYTES_PER_FLUSH) this.flush();
    else this.scheduleFlush();
    return taken;
  }

  /** Flushes at the end of the batch, or outside a batch in a microtask. */
  scheduleFlush(): void {
    if (this.#isInBatch || this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    queueMicrotask(this.#flushLater);
  }

  readonly #flushLater = () => {
    this.#isFlushScheduled = false;
    this.flush();
  };

  flush(): void {
    if (!this.#isOpen) return;
    if (this.isLost) return this.#onLost();
    if (this.#releaseCount > 0) this.#releaseAll();
    if (this.#writes === 0) return;
    this.#writes = 0;
    this.#writtenBytes = 0;
    this.calls.krepis_channel_flush(this.id);
  }

  #releaseAll(): void {
    const count = this.#releaseCount;
    this.#releaseCount = 0;
    this.calls.krepis_channel_release(this.id, this.#releases, count);
  }

  /**
   * Ends the channel and detaches the region: views that the program still has become empty, and only then
   * is the memory unmapped. A region that the program has transferred stays mapped, because its receiver uses it.
   */
  close(): void {
    if (!this.#isOpen) return;
    const { isLost } = this;
    if (!isLost) this.flush();
    this.#isOpen = false;
    this.calls.krepis_channel_close(this.id);
    if (isLost) return;
    this.buffer.transfer(0);
    this.calls.krepis_channel_unmap(this.id);
  }
}
