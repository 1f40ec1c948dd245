// Pieces of received bytes that lie in the arena, oldest first. Often there is only one, which needs no array.
import type { Channel } from "./_channel.ts";

/** Numbers of dropped pieces that stay in the array, so that they are removed many at a time. */
const KEPT_NUMBERS = 1024;

export class PieceQueue {
  /** Of the first piece; -1: the queue is empty. */
  offset = -1;
  /** Of the first piece. */
  length = 0;
  /** The length of all pieces. */
  bytes = 0;
  #rest: number[] | null = null; // offset, length, offset, length, …
  #head = 0; // index of the second piece in #rest

  get isEmpty(): boolean {
    return this.offset < 0;
  }

  push(offset: number, length: number): void {
    this.bytes += length;
    if (this.offset >= 0) {
      (this.#rest ??= []).push(offset, length);
      return;
    }
    this.offset = offset;
    this.length = length;
  }

  /** Removes the first piece without releasing it. */
  drop(): void {
    this.bytes -= this.length;
    const rest = this.#rest;
    if (rest === null || this.#head === rest.length) {
      this.#clear();
      return;
    }
    this.offset = rest[this.#head]!;
    this.length = rest[this.#head + 1]!;
    this.#head += 2;
    if (this.#head < KEPT_NUMBERS || this.#head < rest.length / 2) return;
    rest.splice(0, this.#head);
    this.#head = 0;
  }

  /** Releases and removes all pieces. */
  release(channel: Channel): void {
    for (; !this.isEmpty; this.drop()) channel.release(this.offset);
  }

  #clear(): void {
    this.offset = -1;
    this.#rest = null;
    this.#head = 0;
  }
}
