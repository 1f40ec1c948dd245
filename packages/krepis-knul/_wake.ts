// Runs a channel's turns on the isolate's event loop and sleeps on its wake descriptor in between.
import { Socket } from "node:net";
import { setImmediate } from "node:timers";
import type { Channel, EventSink } from "./_channel.ts";

/** The library writes one byte for each time that the channel was armed. */
const WAKE_BYTES = 64;

export class WakeLoop {
  readonly #channel: Channel;
  readonly #sink: EventSink;
  readonly #socket: Socket;
  #isScheduled = false;

  /** Owns the descriptor from here on. A descriptor needs no permission beside that for FFI. */
  constructor(channel: Channel, sink: EventSink, wakeFd: number) {
    this.#channel = channel;
    this.#sink = sink;
    // `onread` bypasses node's stream layer and its buffers: a wake-up takes 15 µs instead of 20.
    const onread = { buffer: new Uint8Array(WAKE_BYTES), callback: () => this.#wake() };
    const options = { fd: wakeFd, readable: true, writable: false, onread }; // some @types/node lack `onread`
    this.#socket = new Socket(options);
    this.#socket.on("error", () => this.#schedule()); // the channel's events have the reason
    this.#socket.resume();
    this.#schedule();
  }

  /** While it runs, the process does not end by itself. */
  stop(): void {
    this.#socket.destroy();
  }

  // Runs a turn at once, because waiting for the next one would only add latency.
  #wake(): boolean {
    if (!this.#isScheduled) this.#turn();
    return true; // go on reading
  }

  // Each batch is a turn of the event loop of its own, so that timers and other input run in between.
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#turn);
  }

  // Sleeps only after a turn without events: an empty turn costs 2 µs, but a sleep costs at least 10 µs here and a
  // system call in the worker.
  readonly #turn = () => {
    this.#isScheduled = false;
    if (!this.#channel.isOpen) return;
    let records = 0;
    try {
      records = this.#channel.poll(this.#sink);
    } catch (error) {
      this.#sink.handleFailure(error);
    } finally {
      if (this.#channel.isOpen && (records > 0 || !this.#channel.arm())) this.#schedule();
    }
  };
}
