// Runs a channel's turns on the isolate's event loop and sleeps on its wake descriptor in between.
import { Socket } from "node:net";
import { setImmediate } from "node:timers";
import type { Channel, EventSink } from "./_channel.ts";

export class WakeLoop {
  readonly #channel: Channel;
  readonly #sink: EventSink;
  readonly #socket: Socket;
  #isScheduled = false;

  /** Owns the descriptor from here on. A descriptor needs no permission beside that for FFI. */
  constructor(channel: Channel, sink: EventSink, wakeFd: number) {
    this.#channel = channel;
    this.#sink = sink;
    this.#socket = new Socket({ fd: wakeFd, readable: true, writable: false });
    this.#socket.on("data", () => this.#schedule());
    this.#socket.on("error", () => this.#schedule()); // The channel's own events say what happened.
    this.#schedule();
  }

  /** While it runs, the process does not end by itself. */
  stop(): void {
    this.#socket.destroy();
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
    } finally {
      if (this.#channel.isOpen && (records > 0 || !this.#channel.arm())) this.#schedule();
    }
  };
}
