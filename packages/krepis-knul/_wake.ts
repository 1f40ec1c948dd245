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
    // `onread` passes by the machinery of streams and their buffers: 15 µs for a wake-up instead of 20.
    const onread = { buffer: new Uint8Array(WAKE_BYTES), callback: () => this.#wake() };
    const options = { fd: wakeFd, readable: true, writable: false, onread }; // not every @types/node knows the last
    this.#socket = new Socket(options);
    this.#socket.on("error", () => this.#schedule()); // The channel's own events say what happened.
    this.#socket.resume();
    this.#schedule();
  }

  /** While it runs, the process does not end by itself. */
  stop(): void {
    this.#socket.destroy();
  }

  // At once: waiting for the next turn would only add to the latency.
  #wake(): boolean {
    if (!this.#isScheduled) this.#turn();
    return true; // go on reading
  }

  // A turn of its own for every batch: timers and other input have theirs in between.
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#turn);
  }

  // An empty turn costs 2 µs, a sleep costs the worker a system call and this side 10 µs and more; so it
  // sleeps only after a turn without events.
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
